"""How much a plugin may take."""

from __future__ import annotations

from dataclasses import dataclass

from hwcore.contract import UserError
from hwcore.host.cpu import available_cores


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of every call of a host. Only a worker can be held to seconds and bytes."""

    seconds: float | None = None
    """Wall-clock seconds one call may take, its worker's start included."""
    memory_bytes: int | None = None
    """Bytes of private memory (``RLIMIT_DATA``) a plugin's process may map: all its threads'
    stacks count, mapped files and shared memory do not."""
    threads: int | None = None
    """Threads a step may use; ``None`` means every core this process may use."""

    def __post_init__(self) -> None:
        for name in ("seconds", "memory_bytes", "threads"):
            value = getattr(self, name)
            if value is not None and value <= 0:
                raise UserError(
                    f"the limit {name} is {value}", hint="Give more than 0, or None for no limit."
                )

    @property
    def thread_count(self) -> int:
        """Threads a step may use, as a number."""
        return self.threads or available_cores()
