"""From a recipe to a checked artifact: bind it to a source and a target, run its steps once."""

from hwcore.pipeline.checks import Check
from hwcore.pipeline.execute import Executed, Pipeline, StepRecord
from hwcore.pipeline.planning import (
    LeftOut,
    Stage,
    after,
    bind,
    bind_steps,
    mismatch,
    runner_for,
    stage_of,
    trains,
)
from hwcore.pipeline.recipes import BadRecipe, bundled_recipes, read_recipe, write_recipe

__all__ = [
    "BadRecipe",
    "Check",
    "Executed",
    "LeftOut",
    "Pipeline",
    "Stage",
    "StepRecord",
    "after",
    "bind",
    "bind_steps",
    "bundled_recipes",
    "mismatch",
    "read_recipe",
    "runner_for",
    "stage_of",
    "trains",
    "write_recipe",
]
