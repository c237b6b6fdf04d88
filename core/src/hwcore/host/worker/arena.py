"""Shared memory for large arrays: anonymous files, mapped on both sides, reused.

The host owns every segment; a worker maps what it is told to. A segment has no name that
could be left behind: it is gone when the last process that maps it is.
"""

from __future__ import annotations

import mmap
import os
import sys
import tempfile
from collections import deque
from typing import Final

_PAGE: Final = mmap.PAGESIZE
_MAX_FREE: Final = 6
"""Segments kept for reuse."""

_MAX_LENT: Final = 16
"""Segments that callers may hold arrays over at once: each takes two file descriptors."""


_forks = 0
"""How often this process was forked."""


def _count_fork() -> None:
    global _forks
    _forks += 1


if sys.platform != "win32":
    os.register_at_fork(after_in_parent=_count_fork)


class Segment:
    """A block of shared memory. ``number`` is what both sides call it."""

    def __init__(self, number: int, fd: int, size: int) -> None:
        """Maps ``fd``, which is left open."""
        self.number = number
        self.forks = _forks
        """Forks when it was last lent."""
        self.size = size
        self.memory = mmap.mmap(fd, size)


def create_file(size: int) -> int:
    """A descriptor of a fresh anonymous file of ``size`` bytes in memory, or else on disk."""
    if hasattr(os, "memfd_create"):
        fd = os.memfd_create("hwcore", os.MFD_CLOEXEC)
    else:
        with tempfile.TemporaryFile(prefix="hwcore-") as file:
            fd = os.dup(file.fileno())
    os.ftruncate(fd, size)
    return fd


class Arena:
    """The host's segments of one lane.

    `release` may be called by the garbage collector, in any thread: it only touches a set and a
    deque, in single operations.
    """

    def __init__(self) -> None:
        self._next = 1
        self._free: deque[Segment] = deque()
        self._retired: deque[Segment] = deque()
        """Not to be used again: a fork of this process may read them."""
        self._lent: set[Segment] = set()

    def reuse(self, nbytes: int) -> Segment | None:
        """A free segment that is large enough and not wastefully larger; taken out."""
        for _ in range(len(self._free)):
            segment = self._free.popleft()
            if nbytes <= segment.size <= 2 * nbytes + (1 << 20):
                return segment
            self._free.append(segment)
        return None

    def create(self, nbytes: int) -> tuple[Segment, int]:
        """A new segment and its open descriptor, which the caller passes on and closes.

        An eighth of room is added, for calls whose sizes differ a little.
        """
        size = -(-(nbytes + nbytes // 8) // _PAGE) * _PAGE
        fd = create_file(size)
        segment = Segment(self._next, fd, size)
        self._next += 1
        return segment, fd

    def lend(self, segment: Segment) -> bool:
        """Let a caller hold arrays over it until `release`; false when too many do already."""
        if len(self._lent) >= _MAX_LENT:
            return False
        segment.forks = _forks
        self._lent.add(segment)
        return True

    def release(self, segment: Segment) -> None:
        """Give a segment back for reuse, unless a fork may hold arrays over it, too."""
        lent = segment in self._lent
        self._lent.discard(segment)
        shared = lent and segment.forks != _forks
        (self._retired if shared else self._free).append(segment)

    def surplus(self) -> list[Segment]:
        """Segments that are not worth keeping, or must not be; taken out."""
        free = [self._free.popleft() for _ in range(len(self._free) - _MAX_FREE)]
        return free + [self._retired.popleft() for _ in range(len(self._retired))]
