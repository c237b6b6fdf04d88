"""A run that is stopped cleans up, however often it is told to stop."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def stopped_once() -> Iterator[None]:
    """Within it the first Ctrl-C, SIGTERM or SIGHUP ends the block; those after it do nothing.

    They stay without effect when the block was ended so, for the process is about to. A hung-up
    terminal does what SIGTERM does; a signal that is ignored, as under ``nohup``, stays so.
    """
    before = {number: signal.getsignal(number) for number in _STOPS}
    stopped = False
    heard = [number for number in _STOPS if before[number] is not signal.SIG_IGN]

    def stop(number: int, frame: FrameType | None) -> None:
        nonlocal stopped
        stopped = True
        for other in heard:
            signal.signal(other, signal.SIG_IGN)
        handler = before[signal.SIGINT if number == signal.SIGINT else signal.SIGTERM]
        if callable(handler):
            handler(number, frame)
        raise KeyboardInterrupt

    for number in heard:
        signal.signal(number, stop)
    try:
        yield
    finally:
        if not stopped:
            for number in heard:
                signal.signal(number, before[number])
