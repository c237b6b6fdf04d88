"""What a worker's process writes to its standard streams, as lines and within bounds."""

from __future__ import annotations

import re
import time
from collections import deque
from collections.abc import Callable
from typing import Final

_TAIL_LINES: Final = 40
_LINE_WIDTH: Final = 1_000
_BURST_LINES: Final = 200
_LINES_PER_SECOND: Final = 50.0


class OutputLines:
    """Splits bytes into lines, hands on as many as a reader can take, remembers the last ones.

    A carriage return ends a line too, so that progress bars do not grow into one endless line.
    """

    def __init__(self, emit: Callable[[str], None]) -> None:
        self._emit = emit
        self._tail: deque[str] = deque(maxlen=_TAIL_LINES)
        self._partial = b""
        self._credit = float(_BURST_LINES)
        self._credited = time.monotonic()
        self._left_out = 0

    def feed(self, data: bytes) -> None:
        """Take what was written next."""
        *lines, self._partial = re.split(rb"[\r\n]+", self._partial + data)
        self._partial = self._partial[:_LINE_WIDTH]
        self._refill()
        for line in lines:
            self._line(line)

    def flush(self) -> None:
        """Hand on the line that has no end yet, and say how many were left out."""
        self._line(self._partial)
        self._partial = b""
        self._report()

    @property
    def tail(self) -> str:
        """The last lines."""
        return "\n".join(self._tail)

    def _line(self, data: bytes) -> None:
        text = data[:_LINE_WIDTH].decode(errors="replace").rstrip()
        if not text:
            return
        self._tail.append(text)
        if self._credit < 1:
            self._left_out += 1
            return
        self._report()
        self._credit -= 1
        self._emit(text)

    def _refill(self) -> None:
        now = time.monotonic()
        earned = (now - self._credited) * _LINES_PER_SECOND
        self._credit = min(self._credit + earned, float(_BURST_LINES))
        self._credited = now

    def _report(self) -> None:
        if self._left_out:
            count, self._left_out = self._left_out, 0
            self._emit(f"({count} lines left out)")
