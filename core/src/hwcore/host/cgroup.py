"""What the control groups this process lives in let it use (Linux; elsewhere nothing is bounded).

Sources: the kernel's ``Documentation/admin-guide/cgroup-v2.rst`` (``cpu.max``, ``memory.max``)
and ``cgroup-v1`` (``cpu.cfs_quota_us``, ``memory.limit_in_bytes``).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

_UNLIMITED = 1 << 60
"""Version 1 writes "no limit" as a number near 2**63."""


def cpu_quota(root: Path = Path("/")) -> float | None:
    """Cores' worth of time per second: the tightest quota of all groups above, if any is set."""
    quotas = []
    for folder in _folders(root, "cpu"):
        text = _read(folder / "cpu.max")
        if text is None:
            quota, period = _read(folder / "cpu.cfs_quota_us"), _read(folder / "cpu.cfs_period_us")
            text = f"{quota} {period}" if quota and period else None
        if text is None:
            continue
        quota, _, period = text.partition(" ")
        if quota not in ("max", "-1"):
            quotas.append(int(quota) / int(period or 100_000))
    return min(quotas, default=None)


def memory_limit(root: Path = Path("/")) -> int | None:
    """Bytes: the tightest limit of all groups above, if any is set."""
    limits = []
    for folder in _folders(root, "memory"):
        text = _read(folder / "memory.max") or _read(folder / "memory.limit_in_bytes")
        if text is not None and text != "max" and int(text) < _UNLIMITED:
            limits.append(int(text))
    return min(limits, default=None)


def _folders(root: Path, controller: str) -> Iterator[Path]:
    """The folders of this process's group and of those above it, for one controller."""
    for line in (_read(root / "proc/self/cgroup") or "").splitlines():
        _, controllers, group = line.split(":", 2)
        if controllers and controller not in controllers.split(","):
            continue
        mount = root / "sys/fs/cgroup" / (controller if controllers else "")
        folder = mount / group.lstrip("/")
        while folder != mount and mount in folder.parents:
            yield folder
            folder = folder.parent
        yield mount


def _read(path: Path) -> str | None:
    try:
        return path.read_text().strip()
    except OSError:  # not mounted, or no such limit at this level
        return None
