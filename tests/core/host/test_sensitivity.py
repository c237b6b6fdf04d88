"""The hook ``sensitivity`` through both doors: what is asked, answered, refused and wrapped."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import parts
import pytest
from dummies.feeling import LAYERS, write_feeler
from dummies.making import Bench, Events, write_plugin

from hwcore.contract import Artifact, PluginError, Sensitivity, Target, UserError
from hwcore.data import visible

Start = Callable[..., Bench]

WRAPPER = """
from hwcore.contract import hookimpl

@hookimpl(wrapper=True)
def sensitivity(source):
    found = yield
    return found.model_copy(update={"metric": "wrapped"})
"""


@pytest.fixture(params=["in-process", "worker"])
def door(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def ask(start: Start, door: str, source: Artifact, tmp_path: Path) -> Callable[..., Sensitivity]:
    """``ask(*more plugins, **options)``: the answer of the dummy."""

    def call(*more: Path, plugin: str = "feeler", **options: object) -> Sensitivity:
        bench = start(write_feeler(tmp_path), *more, "unruly", door=door)
        return bench.host.sensitivity(
            plugin,
            source=source,
            options=options,
            data=visible(parts.dataset(tmp_path / "data", {"tune": 3, "test": 2})),
            target=Target(),
            seed=7,
        )

    return call


def test_it_crosses_the_door_and_the_test_rows_do_not(
    ask: Callable[..., Sensitivity], events: Events
) -> None:
    found = ask(rows=9)
    assert found.rows == 9
    assert [layer.name for layer in found.layers] == list(LAYERS)
    assert found.layers[0].loss == {"int8": 0.5}
    assert found.layers[0].error == {"int8": 0.25}
    assert events.lines == ["roles ['tune'] seed 7 cpu transformers"]
    assert events.fractions == [0.5]


def test_wrappers_run_around_it(ask: Callable[..., Sensitivity], tmp_path: Path) -> None:
    wrapper = write_plugin(tmp_path, "wrapper", manifest='wraps = ["sensitivity"]\n', code=WRAPPER)
    assert ask(wrapper).metric == "wrapped"


def test_an_option_that_is_not_there_is_named_with_the_nearest(
    ask: Callable[..., Sensitivity],
) -> None:
    with pytest.raises(UserError) as caught:
        ask(rowz=3)
    assert str(caught.value) == (
        "feeler/sensitivity: there is no option 'rowz', did you mean 'rows'?"
    )
    assert caught.value.hint == "Options: how, rows."


def test_a_plugin_without_it_is_refused_with_those_that_have_it(
    ask: Callable[..., Sensitivity],
) -> None:
    with pytest.raises(UserError, match="plugin unruly does not measure sensitivity") as caught:
        ask(plugin="unruly")
    assert caught.value.hint == "Those that do: feeler."


def test_another_answer_is_the_plugins_fault(ask: Callable[..., Sensitivity]) -> None:
    with pytest.raises(PluginError, match="it returned dict and not a Sensitivity") as caught:
        ask(how="lie")
    assert caught.value.hook == "sensitivity"


def test_numbers_are_finite(ask: Callable[..., Sensitivity]) -> None:
    with pytest.raises(PluginError, match="its Sensitivity is not valid: baseline"):
        ask(how="nan")
