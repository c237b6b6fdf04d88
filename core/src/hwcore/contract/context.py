"""The services a hook is handed as ``ctx``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, Protocol

from hwcore.contract.runner import Array, Arrays

Level = Literal["debug", "info", "warning"]
Predict = Callable[[Arrays], "dict[str, Array]"]
"""A batch of model inputs to the model's outputs, as a runner does."""


class Context(Protocol):
    """Made by the host, in whatever process the plugin lives in."""

    @property
    def seed(self) -> int:
        """Seed of every random choice of this step."""
        ...

    @property
    def threads(self) -> int:
        """Threads this step may use: the cores given to it."""
        ...

    def progress(self, fraction: float, message: str = "") -> None:
        """Say how far the step is, 0 to 1. Smaller than before is ignored."""
        ...

    def cancelled(self) -> bool:
        """True once the step should stop: raise `Cancelled` at the next good moment."""
        ...

    def log(self, message: str, level: Level = "info") -> None:
        """A line for the user's log; warnings are kept in the study."""
        ...

    def score(self, predict: Predict) -> float:
        """The user's metric of ``predict`` over the dataset's ``tune`` role; higher is better.

        Raises `UserError` when the step has no dataset, or that has no labelled ``tune`` rows.
        """
        ...
