"""How a worker came to its end, in words."""

from __future__ import annotations

import os
import signal
from typing import NamedTuple

_MEMORY_WORDS = ("bad_alloc", "MemoryError", "Cannot allocate memory", "out of memory")


class Obituary(NamedTuple):
    """What happened, and what may help."""

    message: str
    hint: str | None


def obituary(status: int | None, tail: str, memory_bytes: int | None) -> Obituary:
    """From the wait status (``None`` when unknown), the last output and the memory limit."""
    hint = None
    if any(word in tail for word in _MEMORY_WORDS):
        hint = "It ran out of memory: use a smaller model or batch, or free memory."
        if memory_bytes is not None:
            hint = f"It ran into the memory limit of {memory_bytes >> 20} MiB: raise it, or " + (
                "use a smaller model or batch."
            )
    if status is None:
        return Obituary("its process was killed", hint)
    if not os.WIFSIGNALED(status):
        code = os.WEXITSTATUS(status)
        return Obituary(f"its process ended with status {code} before it had answered", hint)
    number = os.WTERMSIG(status)
    if number == signal.SIGKILL and hint is None:
        hint = (
            "Probably the system was out of memory and killed it: use a smaller model or batch, "
            "or free memory."
        )
    description = signal.strsignal(number)
    return Obituary(f"its process died of {signal.Signals(number).name} ({description})", hint)
