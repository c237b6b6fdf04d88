"""Which plans are tried, and what the baseline is called."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import parts
import pytest

from hwcore.contract import Artifact, HardwareUnavailable, Recipe, Step, UserError
from hwcore.host import PluginHost, discover
from hwcore.pipeline import write_recipe
from hwcore.workflows.plans import Recipes, find_recipes, make_plans

RUN = Step(hook="run", plugin="steps", capability="numpy")
PLAIN = Recipe(name="steps-plain", summary="As it is", steps=(RUN,))
OFF = Recipe(name="steps-off", steps=(Step(hook="compile", plugin="steps", capability="off"), RUN))
WRONG = Recipe(name="wrong", steps=(Step(hook="compile", plugin="steps"), RUN))
STRANGE = Recipe(
    name="strange", steps=(Step(hook="compile", plugin="steps", capability="ofd"), RUN)
)
ABSENT = Recipe(name="absent", steps=(Step(hook="compile", plugin="stps"), RUN))


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> Iterator[PluginHost]:
    monkeypatch.syspath_prepend(str(parts.DUMMIES / "steps_engine"))
    with PluginHost(discover(allow=("steps",)), door="in-process") as found:
        yield found


@pytest.fixture
def source(tmp_path: Path) -> Artifact:
    return parts.linear(tmp_path / "source")


def planned(
    host: PluginHost, source: Artifact, wanted: tuple[Recipe, ...], *, named: bool = True
) -> tuple[list[str], dict[str, str]]:
    """Names of the plans, and the reasons of recipes that were left out."""
    recipes = Recipes(wanted=wanted, bundled=(OFF, PLAIN, WRONG), bad=(), named=named)
    plans, left_out = make_plans(
        recipes, source=source, target=parts.CPU, data=None, host=host, seed=0
    )
    assert plans[0].work == ()
    return [plan.name for plan in plans], {entry.recipe: entry.reason for entry in left_out}


def test_the_baseline_has_one_name_whatever_else_is_tried(
    host: PluginHost, source: Artifact
) -> None:
    assert planned(host, source, (PLAIN, OFF))[0] == ["steps-plain", "steps-off"]
    assert planned(host, source, (OFF,))[0] == ["steps-plain", "steps-off"]


def test_where_no_recipe_is_the_baseline_it_is_called_by_what_runs_it(
    host: PluginHost, source: Artifact
) -> None:
    recipes = Recipes(wanted=(OFF,), bundled=(OFF,), bad=(), named=True)
    plans, _ = make_plans(recipes, source=source, target=parts.CPU, data=None, host=host, seed=0)
    assert plans[0].name == "steps-numpy"


def test_the_baseline_alone_is_nothing_to_try(host: PluginHost, source: Artifact) -> None:
    with pytest.raises(UserError, match="steps-plain is the baseline") as caught:
        planned(host, source, (PLAIN,))
    assert "--recipe" in (caught.value.hint or "")


def test_a_wrong_recipe_is_an_error_when_it_was_named(host: PluginHost, source: Artifact) -> None:
    with pytest.raises(UserError, match="could be any of"):
        planned(host, source, (WRONG,))
    names, left_out = planned(host, source, (OFF, WRONG), named=False)
    assert names == ["steps-plain", "steps-off"]
    assert "could be any of" in left_out["wrong"]


def test_a_misspelt_plugin_or_capability_has_a_nearest_name(
    host: PluginHost, source: Artifact
) -> None:
    _, left_out = planned(host, source, (OFF, STRANGE, ABSENT))
    assert left_out["strange"] == (
        "compile steps: it has no compile capability 'ofd', did you mean 'off'?"
    )
    assert left_out["absent"] == (
        "compile stps: plugin stps is not installed, did you mean 'steps'?"
    )


@pytest.mark.parametrize(("named", "word"), [(True, "plugins list"), (False, "doctor")])
def test_where_no_recipe_fits(host: PluginHost, source: Artifact, named: bool, word: str) -> None:
    with pytest.raises(UserError, match="no recipe fits this model here") as caught:
        planned(host, source, (ABSENT,), named=named)
    assert f"`hwcore {word}` shows what is installed" in (caught.value.hint or "")


def test_where_nothing_runs_the_model(host: PluginHost, tmp_path: Path) -> None:
    strange = parts.artifact(tmp_path / "strange", format="strange")
    with pytest.raises(HardwareUnavailable, match="nothing to compare with"):
        planned(host, strange, (OFF,))


def test_recipes_are_found_by_name_and_file(host: PluginHost, tmp_path: Path) -> None:
    assert [recipe.name for recipe in find_recipes((), host).wanted] == ["steps-int8"]
    file = tmp_path / "mine.yaml"
    file.write_text(write_recipe(OFF))
    found = find_recipes(("steps-int8", str(file)), host)
    assert [recipe.name for recipe in found.wanted] == ["steps-int8", "steps-off"]
    assert found.named
    with pytest.raises(UserError, match="there is no recipe 'steps-int4'") as caught:
        find_recipes(("steps-int4",), host)
    assert "Did you mean 'steps-int8'?" in (caught.value.hint or "")
