"""Optimize with a model that int8 breaks in one layer: a mixed plan is proposed, and holds."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from sensitivity_steps import BROKEN

from hwcore.artifacts import Cache
from hwcore.host import Limits, PluginHost, discover
from hwcore.workflows.data import DataRequest
from hwcore.workflows.optimize import OptimizeRequest, Outcome, optimize
from hwcore.workflows.reporter import Progress, Silent

pytestmark = pytest.mark.slow  # a minute: two programs are captured and quantized

RECIPE = """
name: int8
steps:
  - {hook: export, plugin: torch, capability: export}
  - {hook: quantize, plugin: torch, capability: int8-static, options: {observer: minmax}}
  - {hook: run, plugin: torch, capability: exported}
"""

Run = Callable[..., tuple[Outcome, list[str]]]


class Titles(Silent):
    """Remembers what work was begun."""

    def __init__(self) -> None:
        self.titles: list[str] = []

    def work(self, title: str) -> AbstractContextManager[Progress]:
        self.titles.append(title)
        return super().work(title)


@pytest.fixture(scope="module")
def run(outliers: Path, answered: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    root = tmp_path_factory.mktemp("optimized")
    (root / "int8.yaml").write_text(RECIPE)

    def once(max_drop: float = 0.05) -> tuple[Outcome, list[str]]:
        request = OptimizeRequest(
            str(outliers),
            DataRequest(answered),
            max_drop=max_drop,
            batch_sizes=(1,),
            rounds=3,
            recipes=(str(root / "int8.yaml"),),
            threads=1,
        )
        reporter = Titles()
        with PluginHost(discover(allow=("torch",)), limits=Limits(threads=1)) as host:
            return optimize(
                request, host, Cache(root / "cache"), reporter=reporter
            ), reporter.titles

    return once


def test_the_layer_that_breaks_is_left_as_it_is(run: Run) -> None:
    outcome, titles = run()
    _, plain, mixed = outcome.study.trials
    assert plain.quality is not None
    assert plain.quality.drop_bound > 0.05
    assert (mixed.plan.name, mixed.state) == ("int8-mixed", "measured")
    assert mixed.mixed is not None
    assert mixed.mixed.of == plain.id
    assert mixed.mixed.kept == (BROKEN,)
    assert mixed.plan.work[1].options == {"observer": "minmax", "exclude": [BROKEN]}
    assert mixed.quality is not None
    assert mixed.quality.drop_bound <= 0.05
    assert mixed.plan.summary.startswith("int8 with 1 of 14 layers left as they are, which make ")
    assert BROKEN in mixed.plan.summary
    assert "treat one layer at a time (torch)" in titles


def test_a_second_run_does_nothing_again(run: Run) -> None:
    first, _ = run()
    again, titles = run()
    assert again.study.trials == first.study.trials
    assert again.study.measured_at == first.study.measured_at
    assert titles == ["read the model", "read the data"]


def test_without_a_loss_there_is_no_mixed_plan(run: Run) -> None:
    run()
    outcome, titles = run(max_drop=0.99)
    assert [trial.plan.name for trial in outcome.study.trials] == ["torch-eager-fp32", "int8"]
    assert "treat one layer at a time (torch)" not in titles
