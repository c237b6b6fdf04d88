"""A finished optimize as tests look at it, and arguments that make one quick."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from command import Command, Done

ROWS = 165
"""A fifth of them are 33 calibration rows, one more than int8 needs; 99 are left to judge on."""

QUICK = ("--rounds", 3, "--batch", 1)
DROP = ("--max-drop", 0.1)
"""What 99 rows can prove of a plan that loses a few."""

ONNX = "onnxruntime-int8-dynamic"
"""A recipe that takes seconds."""


@dataclass(frozen=True)
class Optimized:
    """A finished optimize. Not to be changed: work on copies."""

    hwcore: Command
    arguments: tuple[object, ...]
    done: Done
    out: Path
    study: dict[str, Any]
    folder: Path
    """Of the study."""

    @property
    def recommended(self) -> dict[str, Any]:
        """The trial that was chosen."""
        [trial] = [t for t in self.study["trials"] if t["id"] == self.study["recommended"]]
        return trial


def wait_for(condition: Callable[[], object], *, seconds: float = 60) -> None:
    """Until the condition holds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)
