"""Recipes, which are data anyone can write, and plans, which the pipeline executes."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from hwcore.contract.base import Name, Options, Value, WorkHook
from hwcore.contract.device import Target


class Step(Value):
    """One hook call. ``capability`` may be left out where only one row of the plugin fits."""

    hook: WorkHook
    plugin: Name
    capability: Name | None = None
    options: Options = Field(default_factory=dict)


class Recipe(Value):
    """An ordered list of steps, ending in ``run``. A YAML file holds one."""

    schema_version: Literal[1] = 1
    name: Name
    summary: str = ""
    tasks: tuple[str, ...] = ()
    """Tasks it is meant for; empty means any."""
    steps: tuple[Step, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _ends_in_run(self) -> Self:
        hooks = [step.hook for step in self.steps]
        if hooks.count("run") != 1 or hooks[-1] != "run":
            raise ValueError("a recipe has exactly one run step, and it is the last")
        return self


class PlannedStep(Value):
    """A step with its capability decided."""

    hook: WorkHook
    plugin: Name
    capability: Name
    options: Options = Field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.hook} {self.plugin}/{self.capability}"


class Plan(Value):
    """A recipe bound to one source artifact and one target."""

    name: Name
    summary: str = ""
    source: str
    """Digest of the source artifact."""
    target: Target
    work: tuple[PlannedStep, ...]
    """The steps that make artifacts, in order."""
    run: PlannedStep | None
    """The step that loads the last one; ``None`` when an artifact is all that is wanted."""
    seed: int = 0
