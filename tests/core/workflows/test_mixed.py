"""Mixed plans: which trials get one, what it says, and what is taken from an earlier run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import parts
import pytest

from hwcore.contract import (
    Artifact,
    DataNeed,
    LayerSensitivity,
    Plan,
    PlannedStep,
    Produces,
    Sensitivity,
    Treatment,
)
from hwcore.host import Discovery, PluginHost
from hwcore.pipeline import StepRecord
from hwcore.pipeline.checks import Check
from hwcore.workflows.mixed import mixed_trials, treatment_of
from hwcore.workflows.study import Mixed, Study, Trial

INT8 = Produces(format="toy", quantization="int8-static")
ROWS = (
    parts.row("int8", output=INT8, keeps="exclude"),
    parts.row("stubborn", output=INT8),
    parts.row("trained", output=INT8, keeps="exclude", data=DataNeed(role="train")),
    parts.row("prune", "sparsify", keeps="exclude"),
    parts.row("cpu", "run"),
)
TOLERANCE = 0.02


def sensitivity(**errors: float) -> Sensitivity:
    """Layers whose errors at int8 are these, and a tenth of that with zeros."""
    return Sensitivity(
        metric="accuracy",
        baseline=0.9,
        rows=64,
        layers=tuple(
            LayerSensitivity(
                name=name,
                parameters=1,
                time_share=0.1,
                loss=dict.fromkeys(("int8", "zeros-75"), 0.0),
                error={"int8": error, "zeros-75": error / 10},
            )
            for name, error in errors.items()
        ),
    )


ONE_BAD = sensitivity(good=0.001, bad=1.0, fair=0.002)


class Asked:
    """Counts how often it is asked."""

    def __init__(self, found: Sensitivity | None = ONE_BAD) -> None:
        self.found, self.times = found, 0

    def __call__(self) -> Sensitivity | None:
        self.times += 1
        return self.found


@pytest.fixture
def host() -> PluginHost:
    return PluginHost(Discovery((parts.record("acme", *ROWS),)), door="in-process")


def trial(
    name: str = "int8", *, bound: float = 0.1, work: tuple[PlannedStep, ...] = (), **changes: Any
) -> Trial:
    """A measured trial, by default of one int8 step, that may have lost as much as ``bound``."""
    made = parts.trial(name, speed=2.0, quality=parts.quality(0.85, bound=bound))
    work = work or (step(),)
    return made.model_copy(update={"plan": made.plan.model_copy(update={"work": work}), **changes})


def step(capability: str = "int8", hook: Any = "quantize", **options: Any) -> PlannedStep:
    return PlannedStep(hook=hook, plugin="acme", capability=capability, options=options)


def propose(
    host: PluginHost, *trials: Trial, asked: Asked | None = None, made: Sequence[Artifact] = ()
) -> list[Trial]:
    """``made`` is what steps made, whose records have its places as keys."""

    def id_of(plan: Plan) -> str:
        return f"id-{plan.name}-{plan.work}"

    def artifact(record: StepRecord) -> Artifact | None:
        return made[int(record.key)] if int(record.key) < len(made) else None

    return mixed_trials(trials, TOLERANCE, host, asked or Asked(), artifact, id_of)


def done(work: tuple[PlannedStep, ...]) -> Trial:
    """A trial whose steps have been done."""
    records = tuple(
        StepRecord(
            step=step,
            key=str(place),
            artifact="",
            cached=False,
            seconds=1.0,
            check=Check(status="passed", detail=""),
        )
        for place, step in enumerate(work)
    )
    return trial("sparse", work=work, steps=records)


def zeros(folder: Path, **layers: float) -> Artifact:
    """What a step makes that puts these shares of zeros into layers."""
    entries = {f"stored.{n}": {"layer": n, "share": share} for n, share in layers.items()}
    return parts.artifact(folder, facts={"sparsity": entries | {"old": {"share": 0.5}}})


def test_the_layer_that_costs_most_is_left_and_the_plan_says_so(host: PluginHost) -> None:
    lost = trial(work=(step(observer="minmax"),))
    [found] = propose(host, lost)
    assert found.plan.name == "int8-mixed"
    assert found.plan.work == (step(observer="minmax", exclude=["bad"]),)
    assert found.plan.summary == (
        "int8 with 1 of 3 layers left as they are, which make 100% of the error of int8 and take "
        "10% of the time: bad"
    )
    assert found.state == "planned"
    assert found.mixed is not None
    assert (found.mixed.of, found.mixed.kept) == (lost.id, ("bad",))
    assert found.mixed.predicted < TOLERANCE


def test_names_that_were_left_before_stay_so(host: PluginHost) -> None:
    [found] = propose(host, trial(work=(step(exclude=["good"]),)))
    assert found.plan.work[0].options == {"exclude": ["good", "bad"]}
    assert found.plan.summary.startswith("int8 with 1 of 2 layers")


@pytest.mark.parametrize(
    ("pattern", "left"),
    [
        ("block.0.*", ["block.1.up"]),
        ("block.0", ["block.1.up"]),
        ("*.up", ["block.0.down"]),
        (r".*\.down", ["block.1.up"]),
    ],
)
def test_patterns_for_layers_that_were_left_before(
    host: PluginHost, pattern: str, left: list[str]
) -> None:
    errors = {"block.0.down": 1.0, "block.1.up": 0.9, "fair": 0.001, "good": 0.001}
    if pattern.endswith("down"):
        errors["block.1.down"] = 2.0
    asked = Asked(sensitivity(**errors))
    [found] = propose(host, trial(work=(step(exclude=[pattern]),)), asked=asked)
    assert found.plan.work[0].options == {"exclude": [pattern, *left]}


def test_layers_that_a_step_did_not_prune_are_no_candidates(
    host: PluginHost, tmp_path: Path
) -> None:
    """The head makes most of the error, and magnitude leaves it alone."""
    asked = Asked(sensitivity(head=1000.0, bad=1.0, good=0.001, fair=0.002))
    work = (step("prune", "sparsify", share=0.75),)
    made = zeros(tmp_path / "made", bad=0.7, good=0.7, fair=0.8)
    [found] = propose(host, done(work), asked=asked, made=[made])
    assert found.mixed is not None
    assert found.mixed.kept == ("bad",)
    assert found.plan.summary.startswith("sparse with 1 of 3 layers")
    # Where the step says nothing, or is gone, all that was measured counts.
    silent = parts.artifact(tmp_path / "silent")
    for others in ([silent], []):
        [found] = propose(host, done(work), asked=asked, made=others)
        assert found.mixed is not None
        assert found.mixed.kept == ("head",)


def test_what_an_earlier_step_pruned_is_not_the_later_ones(
    host: PluginHost, tmp_path: Path
) -> None:
    asked = Asked(sensitivity(bad=1.0, worse=2.0, good=0.001, fair=0.002))
    work = (step("stubborn"), step("prune", "sparsify", share=0.75))
    made = [
        zeros(tmp_path / "first", worse=0.5, good=0.5),
        zeros(tmp_path / "second", worse=0.5, good=0.7, bad=0.7, fair=0.7),
    ]
    [found] = propose(host, done(work), asked=asked, made=made)
    assert found.mixed is not None
    assert found.mixed.kept == ("bad",)


def test_of_two_steps_the_one_that_costs_most_leaves_layers(host: PluginHost) -> None:
    sparse = step("prune", "sparsify", share=0.7)
    [found] = propose(host, trial(work=(sparse, step())))
    assert found.plan.work == (sparse, step(exclude=["bad"]))


@pytest.mark.parametrize(
    "other",
    [
        trial(bound=TOLERANCE),
        trial(baseline=True),
        trial(state="failed"),
        trial(unchecked="nothing runs it"),
        trial(quality=None),
        trial(quality=parts.quality(bound=0.1, rows=100)),
        trial(work=(step("stubborn"),)),
        trial(work=(step("trained"),)),
    ],
    ids=[
        "within",
        "baseline",
        "failed",
        "unchecked",
        "unjudged",
        "few rows",
        "no option",
        "trains",
    ],
)
def test_other_plans_get_none_and_nothing_is_measured_for_them(
    host: PluginHost, other: Trial
) -> None:
    asked = Asked()
    assert propose(host, other, asked=asked) == []
    assert asked.times == 0


def test_where_nobody_measures_or_all_layers_are_bad_there_is_none(host: PluginHost) -> None:
    assert propose(host, trial(), asked=Asked(None)) == []
    even = sensitivity(**{f"layer{n}": 1.0 for n in range(8)})
    assert propose(host, trial(), asked=Asked(even)) == []


def test_one_of_an_earlier_run_is_taken_as_it_is(host: PluginHost) -> None:
    lost = trial()
    [before] = propose(host, lost)
    before = before.model_copy(update={"state": "measured"})
    asked = Asked()
    assert propose(host, lost, before, asked=asked) == [before]
    assert asked.times == 0
    # For another tolerance it is made anew.
    assert before.mixed is not None
    other = before.mixed.model_copy(update={"max_drop": 0.5})
    [again] = propose(host, lost, before.model_copy(update={"mixed": other}), asked=asked)
    assert (again.state, asked.times) == ("planned", 1)


def test_one_that_is_a_recipe_already_is_not_tried_twice(host: PluginHost) -> None:
    lost = trial()
    [found] = propose(host, lost)
    assert propose(host, lost, trial("same", id=found.id, bound=0.0)) == []


@pytest.mark.parametrize(
    ("scheme", "expected"),
    [("int8-dynamic", "int8"), ("int4-weights", "int4"), ("bf16", None), (None, None)],
)
def test_treatment_of_a_scheme(scheme: str | None, expected: Treatment | None) -> None:
    row = parts.row("q", output=Produces(format="toy", quantization=scheme))
    assert treatment_of(row, step()) == expected


@pytest.mark.parametrize(
    ("share", "expected"),
    [(0.5, "zeros-50"), (0.7, "zeros-75"), (0.93, "zeros-95"), (None, "zeros-50")],
)
def test_treatment_of_a_share(share: float | None, expected: Treatment) -> None:
    assert treatment_of(parts.row("p", "sparsify"), step(share=share)) == expected


class TestStudy:
    MIXED = Mixed(
        of="id-int8", max_drop=0.01, treatment="int8", kept=("bad",), error_share=0.9,
        time_share=0.1, predicted=0.005,
    )  # fmt: skip

    def test_what_was_learned_of_a_mixed_trial_is_kept_with_its_original(
        self, tmp_path: Path
    ) -> None:
        original, mixed = (
            parts.trial("int8", speed=2.0),
            parts.trial("int8-mixed", speed=1.5, mixed=self.MIXED),
        )
        base = parts.trial("base", speed=1.0, baseline=True)
        Study.open(tmp_path, parts.study(base, original, mixed)).save()
        planned = (parts.trial("base", baseline=True), parts.trial("int8"))
        again = Study.open(tmp_path, parts.study(*planned))
        assert again.file.trials == (base, original, mixed)
        again = Study.open(tmp_path, parts.study(planned[0]))
        assert again.file.trials == (base,)

    def test_mixed_trials_are_replaced_together(self, tmp_path: Path) -> None:
        base, mixed = parts.trial("base"), parts.trial("old", mixed=self.MIXED)
        study = Study.open(tmp_path, parts.study(base, mixed))
        new = parts.trial("new", mixed=self.MIXED)
        study.mix([new])
        assert study.file.trials == (base, new)
        study.mix([])
        assert study.file.trials == (base,)
