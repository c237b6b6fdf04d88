"""A plugin's own runner, with no host around it: what a host would tidy up is to be seen."""

from __future__ import annotations

import os
from typing import Any

import importlib_metadata
import pluggy

from hwcore.contract import ENTRY_POINT_GROUP, Artifact, Runner, Target, UserError, hookspecs
from hwcore.contract.context import Level, Predict


class Quiet:
    """A `hwcore.contract.Context` that tells nobody anything."""

    seed = 0
    threads = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1

    def progress(self, fraction: float, message: str = "") -> None:
        """Nothing."""

    def cancelled(self) -> bool:
        """Never."""
        return False

    def log(self, message: str, level: Level = "info") -> None:
        """Nothing."""

    def score(self, predict: Predict) -> float:
        """Raises `UserError`, as the contract has it where a step has no data."""
        raise UserError("a run hook has no data", hint="Score in the step that tunes.")


def runner(plugin: str, artifact: Artifact, *, capability: str, target: Target) -> Runner:
    """Load an artifact in this process. Raises whatever the plugin raises."""
    [entry] = importlib_metadata.entry_points(group=ENTRY_POINT_GROUP, name=plugin)
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    manager.register(entry.load())
    loaded: Any = manager.hook.run(
        artifact=artifact, capability=capability, options={}, target=target, ctx=Quiet()
    )
    made: Runner = loaded
    return made
