"""A plugin's own hooks, with no host around them: what a host would tidy up is to be seen."""

from __future__ import annotations

import os
from typing import Any

import importlib_metadata
import pluggy

from hwcore.contract import ENTRY_POINT_GROUP, Artifact, Dataset, UserError, hookspecs
from hwcore.contract.context import Level, Predict
from hwcore.data import score


class Notes:
    """A `hwcore.contract.Context` that writes down what it is told and asked."""

    def __init__(
        self,
        *,
        seed: int = 0,
        data: Dataset | None = None,
        source: Artifact | None = None,
        cancelled: bool = False,
    ) -> None:
        self.seed = seed
        self.threads = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1
        self.fractions: list[float] = []
        """What `progress` was told, in order."""
        self.asked = 0
        """How often `cancelled` was asked."""
        self._data = data
        self._source = source
        self._cancelled = cancelled

    def progress(self, fraction: float, message: str = "") -> None:
        """Written down."""
        self.fractions.append(float(fraction))

    def cancelled(self) -> bool:
        """What it was made with."""
        self.asked += 1
        return self._cancelled

    def log(self, message: str, level: Level = "info") -> None:
        """Nothing: no clause is about log lines."""

    def score(self, predict: Predict) -> float:
        """As a host's. Raises `UserError` where the step has no data."""
        if self._data is None:
            raise UserError("this step was given no dataset", hint="Declare a need for data.")
        signature = self._source.component().signature if self._source is not None else None
        return score(self._data, predict, signature=signature)


def hook(plugin: str, name: str) -> Any:
    """A hook of one plugin, to be called with its arguments. Raises whatever the plugin raises."""
    [entry] = importlib_metadata.entry_points(group=ENTRY_POINT_GROUP, name=plugin)
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    manager.register(entry.load())
    return getattr(manager.hook, name)


def arguments(plugin: str, name: str) -> tuple[str, ...]:
    """Names of the arguments that a plugin's implementation of a hook takes."""
    [found] = hook(plugin, name).get_hookimpls()
    return tuple(found.argnames)
