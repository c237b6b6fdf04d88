"""Ending a command from outside: Ctrl-C, and SIGTERM as service managers and schedulers send it."""

from __future__ import annotations

import signal
from types import FrameType
from typing import NoReturn

INTERRUPTED = 128 + signal.SIGINT
TERMINATED = 128 + signal.SIGTERM


class Terminated(BaseException):
    """SIGTERM came: the command cleans up on its way out, as it does after Ctrl-C."""


def clean_up_on_sigterm() -> None:
    """Make SIGTERM raise `Terminated` in the main thread, once: cleaning up is not cut short."""
    signal.signal(signal.SIGTERM, _terminate)


def _terminate(number: int, frame: FrameType | None) -> NoReturn:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise Terminated
