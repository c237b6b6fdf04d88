"""From a recipe to a checked artifact: bind it to a source and a target, run its steps once."""

from hwcore.pipeline.checks import Check
from hwcore.pipeline.execute import Executed, Pipeline, StepRecord
from hwcore.pipeline.planning import LeftOut, bind, bind_steps, runner_for
from hwcore.pipeline.recipes import BadRecipe, bundled_recipes, read_recipe, write_recipe

__all__ = [
    "BadRecipe",
    "Check",
    "Executed",
    "LeftOut",
    "Pipeline",
    "StepRecord",
    "bind",
    "bind_steps",
    "bundled_recipes",
    "read_recipe",
    "runner_for",
    "write_recipe",
]
