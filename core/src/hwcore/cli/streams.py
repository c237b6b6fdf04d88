"""The standard streams of a command that was started without some of them (``>&-``)."""

from __future__ import annotations

import os
import sys


def open_missing() -> None:
    """Give every standard stream that is closed the null device.

    Else the next files to be opened would get their numbers, and what is meant for a stream, or
    closed as one, would hit them.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # takes the lowest number
        if getattr(sys, name) is None:
            stream = os.fdopen(number, "w" if number else "r", encoding="utf-8", closefd=False)
            setattr(sys, name, stream)
