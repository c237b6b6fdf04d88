"""Recipes and plans as values."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from hwcore.contract import PlannedStep, Recipe, Step

RUN = Step(hook="run", plugin="acme")
EXPORT = Step(hook="export", plugin="acme")


@pytest.mark.parametrize("steps", [(EXPORT,), (RUN, RUN), (RUN, EXPORT), (RUN, EXPORT, RUN)])
def test_a_recipe_ends_in_its_only_run_step(steps: tuple[Step, ...]) -> None:
    with pytest.raises(ValidationError, match="exactly one run step, and it is the last"):
        Recipe(name="fast", steps=steps)


def test_a_recipe_has_steps() -> None:
    with pytest.raises(ValidationError, match="at least 1 item"):
        Recipe(name="fast", steps=())
    assert Recipe(name="fast", steps=(EXPORT, RUN)).steps[-1] == RUN


def test_devices_is_no_step() -> None:
    with pytest.raises(ValidationError, match="'export', 'quantize', 'sparsify', 'compile' or"):
        Step.model_validate({"hook": "devices", "plugin": "acme"})


def test_a_planned_step_reads_as_a_person_would_say_it() -> None:
    step = PlannedStep(hook="quantize", plugin="acme", capability="int8")
    assert str(step) == "quantize acme/int8"
