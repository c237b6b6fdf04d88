"""Binding recipes: which capability a step is, and every reason why none fits."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import parts
import pytest

from hwcore.contract import (
    Artifact,
    DataNeed,
    Dataset,
    Options,
    Pattern,
    Plan,
    PlannedStep,
    Produces,
    Recipe,
    Step,
    Target,
    TargetNeed,
    Traits,
    UserError,
)
from hwcore.host import PluginHost, PluginRecord
from hwcore.pipeline import LeftOut, bind, bind_steps, runner_for

RUN = parts.row("cpu", "run", takes="onnx")
EXPORT = parts.row(
    "dynamo", "export", takes="transformers", output=Produces(format="onnx"), lossless=True
)
OPSET = {
    "type": "object",
    "additionalProperties": False,
    "properties": {"opset": {"type": "integer"}},
}
INT8 = parts.row(
    "int8",
    inputs=(Pattern(format="onnx", quantization=("none",)),),
    output=Produces(format="onnx", quantization="int8-dynamic"),
)
STEPS = (
    Step(hook="export", plugin="acme"),
    Step(hook="quantize", plugin="acme"),
    Step(hook="run", plugin="acme"),
)


class Records:
    """As much of a host as planning looks at: it plans without one plugin loaded."""

    def __init__(self, *records: PluginRecord) -> None:
        self.records = records


def host(*records: PluginRecord) -> PluginHost:
    return cast(PluginHost, Records(*records))


@pytest.fixture
def source(tmp_path: Path) -> Artifact:
    return parts.artifact(tmp_path / "source", format="transformers")


def onnx(tmp_path: Path, **manifest: Any) -> Artifact:
    return parts.artifact(tmp_path / "onnx", format="onnx", **manifest)


def plan(
    source: Artifact,
    *records: PluginRecord,
    steps: tuple[Step, ...] = STEPS,
    target: Target = parts.CPU,
    data: Dataset | None = None,
    tasks: tuple[str, ...] = (),
) -> Plan | LeftOut:
    recipe = Recipe(name="fast", summary="Fast.", steps=steps, tasks=tasks)
    return bind(recipe, source=source, target=target, data=data, host=host(*records), seed=7)


def test_capabilities_are_decided_by_walking_types(source: Artifact) -> None:
    bound = plan(source, parts.record("acme", EXPORT, INT8, RUN))
    assert bound == Plan(
        name="fast",
        summary="Fast.",
        source=source.digest,
        target=parts.CPU,
        work=(
            PlannedStep(hook="export", plugin="acme", capability="dynamo"),
            PlannedStep(hook="quantize", plugin="acme", capability="int8"),
        ),
        run=PlannedStep(hook="run", plugin="acme", capability="cpu"),
        seed=7,
    )


def test_a_recipe_may_cross_vendors(source: Artifact) -> None:
    steps = (
        Step(hook="export", plugin="acme", options={"opset": 20}),
        Step(hook="run", plugin="other"),
    )
    bound = plan(
        source,
        parts.record("acme", EXPORT, schemas={"dynamo": OPSET}),
        parts.record("other", parts.row("fast", "run", takes="onnx")),
        steps=steps,
    )
    assert isinstance(bound, Plan)
    assert bound.work[0].options == {"opset": 20}
    assert bound.run == PlannedStep(hook="run", plugin="other", capability="fast")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"opsett": 20}, "acme/dynamo: there is no option 'opsett', did you mean 'opset'?"),
        ({"opset": "20"}, "acme/dynamo: option 'opset' is '20', expected integer"),
    ],
)
def test_an_option_that_the_capability_does_not_take(
    source: Artifact, options: Options, message: str
) -> None:
    steps = (Step(hook="export", plugin="acme", options=options), STEPS[2])
    with pytest.raises(UserError) as caught:
        plan(source, parts.record("acme", EXPORT, RUN, schemas={"dynamo": OPSET}), steps=steps)
    assert caught.value.message == message


def test_traits_are_carried_from_step_to_step(source: Artifact) -> None:
    only_int8 = parts.row(
        "cpu", "run", inputs=(Pattern(format="onnx", quantization=("int8-dynamic",)),)
    )
    record = parts.record("acme", EXPORT, INT8, only_int8)
    assert isinstance(plan(source, record), Plan)
    left_out = plan(source, record, steps=(STEPS[0], STEPS[2]))
    assert left_out == LeftOut("fast", "run acme: takes quantization int8-dynamic, not none")


def test_a_trait_can_be_taken_back(tmp_path: Path) -> None:
    """The word ``none`` in a capability's output unsets a trait, here as in the host's check."""
    dequantize = parts.row("plain", output=Produces(format="onnx", quantization="none"))
    dequantize = dequantize.model_copy(update={"inputs": (Pattern(format="onnx"),)})
    record = parts.record("acme", dequantize, INT8, RUN)
    steps = (
        Step(hook="quantize", plugin="acme", capability="plain"),
        Step(hook="quantize", plugin="acme", capability="int8"),
        Step(hook="run", plugin="acme"),
    )
    quantized = onnx(tmp_path, traits=Traits(quantization="int8-static"))
    assert isinstance(plan(quantized, record, steps=steps), Plan)


def test_a_result_bound_to_its_target_runs_there(source: Artifact) -> None:
    blob = parts.row(
        "blob", "compile", takes="onnx", output=Produces(format="blob", bound=True), lossless=True
    )
    record = parts.record("acme", EXPORT, blob, parts.row("cpu", "run", takes="blob"))
    steps = (STEPS[0], Step(hook="compile", plugin="acme"), STEPS[2])
    assert isinstance(plan(source, record, steps=steps), Plan)


def left_out(found: Plan | LeftOut) -> str:
    assert isinstance(found, LeftOut)
    assert found.name == "fast"
    return found.reason


class TestReasons:
    """What a person reads who expected a recipe to fit."""

    def test_another_task(self, source: Artifact) -> None:
        found = plan(source, parts.record("acme"), tasks=("image-classification", "x"))
        assert left_out(found) == "is for image-classification, x, not text-classification"

    def test_a_plugin_that_is_not_installed(self, source: Artifact) -> None:
        assert left_out(plan(source)) == "export acme: plugin acme is not installed"

    @pytest.mark.parametrize(
        ("state", "reason", "said"),
        [
            ("broken", "its code does not load.", "its code does not load."),
            ("blocked", "HWCORE_PLUGINS does not name it.", "HWCORE_PLUGINS does not name it."),
            ("incompatible", "", "plugin acme is incompatible"),
        ],
    )
    def test_a_plugin_that_cannot_be_used(
        self, source: Artifact, state: str, reason: str, said: str
    ) -> None:
        record = parts.record("acme", EXPORT, state=state, reason=reason)
        assert left_out(plan(source, record)) == f"export acme: {said}"

    def test_a_plugin_without_a_manifest(self, source: Artifact) -> None:
        record = parts.record("acme", manifest=None, state="blocked", reason="Switched off.")
        assert left_out(plan(source, record)) == "export acme: Switched off."

    def test_a_plugin_that_does_no_such_thing(self, source: Artifact) -> None:
        record = parts.record("acme", RUN)
        assert left_out(plan(source, record)) == "export acme: it does not do that"

    def test_a_capability_that_is_not_there(self, source: Artifact) -> None:
        steps = (Step(hook="export", plugin="acme", capability="trace"), STEPS[2])
        found = plan(source, parts.record("acme", EXPORT, RUN), steps=steps)
        assert left_out(found) == "export acme: it has no export capability 'trace'"

    def test_another_format(self, tmp_path: Path) -> None:
        found = plan(onnx(tmp_path), parts.record("acme", EXPORT, INT8, RUN))
        assert left_out(found) == "export acme: takes transformers, not onnx"

    def test_none_of_several_formats(self, tmp_path: Path) -> None:
        patterns = (
            Pattern(format="a", stage=("none",)),
            Pattern(format="a", stage=("fused",)),
            Pattern(format="b"),
        )
        row = EXPORT.model_copy(update={"inputs": patterns})
        found = plan(onnx(tmp_path), parts.record("acme", row, RUN))
        assert left_out(found) == "export acme: takes a or b, not onnx"

    def test_the_reason_is_of_the_pattern_for_the_format(self, tmp_path: Path) -> None:
        patterns = (
            Pattern(format="transformers"),
            Pattern(format="onnx", quantization=("none",)),
        )
        row = EXPORT.model_copy(update={"inputs": patterns})
        quantized = onnx(tmp_path, traits=Traits(quantization="int8-static"))
        found = plan(quantized, parts.record("acme", row, RUN))
        assert left_out(found) == "export acme: takes quantization none, not int8-static"

    def test_other_hardware_that_it_was_compiled_for(self, tmp_path: Path) -> None:
        bound = onnx(tmp_path, traits=Traits(bound_to="elsewhere"))
        found = plan(bound, parts.record("acme", RUN), steps=STEPS[2:])
        assert left_out(found) == "run acme: the artifact was compiled for other hardware"

    def test_a_task_that_a_row_does_not_do(self, source: Artifact) -> None:
        row = EXPORT.model_copy(update={"tasks": ("image-classification",)})
        found = plan(source, parts.record("acme", row, INT8, RUN))
        assert left_out(found) == "export acme: does not do text-classification"

    def test_a_target_that_is_not_here(self, source: Artifact) -> None:
        row = EXPORT.model_copy(update={"targets": (TargetNeed(any_of=("amx_int8", "sve")),)})
        found = plan(source, parts.record("acme", row, INT8, RUN))
        assert left_out(found) == "export acme: needs amx_int8 or sve"

    def test_any_one_of_several_targets_will_do(self, source: Artifact) -> None:
        needs = (TargetNeed(kind="gpu"), TargetNeed(any_of=("vnni",)))
        row = EXPORT.model_copy(update={"targets": needs})
        assert isinstance(plan(source, parts.record("acme", row, INT8, RUN)), Plan)
        found = plan(source, parts.record("acme", row, INT8, RUN), target=Target(kind="npu"))
        assert left_out(found) == "export acme: needs a gpu, not a npu"

    @pytest.mark.parametrize("earlier", ["export", "acme/dynamo"])
    def test_what_it_may_not_follow_in_the_plan(self, source: Artifact, earlier: str) -> None:
        row = INT8.model_copy(update={"not_after": ("sparsify", earlier)})
        found = plan(source, parts.record("acme", EXPORT, row, RUN))
        assert left_out(found) == f"quantize acme: may not follow {earlier}"

    @pytest.mark.parametrize("earlier", ["sparsify", "acme/magnitude"])
    def test_what_it_may_not_follow_in_the_artifacts_past(
        self, tmp_path: Path, earlier: str
    ) -> None:
        row = INT8.model_copy(update={"not_after": (earlier,)})
        past = (parts.step(hook="sparsify", capability="magnitude"),)
        found = plan(onnx(tmp_path, lineage=past), parts.record("acme", row, RUN), steps=STEPS[1:])
        assert left_out(found) == f"quantize acme: may not follow {earlier}"

    def test_rows_that_are_missing(self, source: Artifact, tmp_path: Path) -> None:
        row = INT8.model_copy(update={"data": DataNeed(role="calibration", rows=8)})
        record = parts.record("acme", EXPORT, row, RUN)
        said = "quantize acme: needs 8 calibration rows, has {}: give --data"
        assert left_out(plan(source, record)) == said.format(0)
        few = parts.dataset(tmp_path / "few", {"calibration": 7, "test": 9})
        assert left_out(plan(source, record, data=few)) == said.format(7)
        enough = parts.dataset(tmp_path / "enough", {"calibration": 8})
        assert isinstance(plan(source, record, data=enough), Plan)

    def test_an_extra_that_is_not_installed(
        self, source: Artifact, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.syspath_prepend(str(parts.DUMMIES / "steps_engine"))
        for extra, said in {
            "build": None,
            "gone": 'needs no-such-distribution>=3: pip install "hwdummy-steps[gone]"',
        }.items():
            row = EXPORT.model_copy(update={"extra": extra})
            record = parts.record("acme", row, INT8, RUN, distribution="hwdummy-steps")
            found = plan(source, record)
            if said is None:
                assert isinstance(found, Plan)
            else:
                assert left_out(found) == f"export acme: {said}"


class TestSeveralThatFit:
    OTHER = INT8.model_copy(update={"id": "int8-static"})

    def test_are_for_the_user_to_decide(self, source: Artifact) -> None:
        record = parts.record("acme", EXPORT, INT8, self.OTHER, RUN)
        with pytest.raises(UserError) as caught:
            plan(source, record)
        assert caught.value.message == "quantize acme could be any of int8, int8-static"
        assert caught.value.hint is not None
        assert "key `capability`" in caught.value.hint

    def test_unless_the_recipe_does(self, source: Artifact) -> None:
        steps = (STEPS[0], STEPS[1].model_copy(update={"capability": "int8-static"}), STEPS[2])
        bound = plan(source, parts.record("acme", EXPORT, INT8, self.OTHER, RUN), steps=steps)
        assert isinstance(bound, Plan)
        assert bound.work[1].capability == "int8-static"

    def test_or_only_one_fits(self, source: Artifact) -> None:
        picky = self.OTHER.model_copy(update={"targets": (TargetNeed(kind="gpu"),)})
        assert isinstance(plan(source, parts.record("acme", EXPORT, INT8, picky, RUN)), Plan)


class TestCapabilitiesThatTrain:
    QAT = INT8.model_copy(update={"id": "qat", "data": DataNeed(role="train")})

    def test_are_passed_over(self, tmp_path: Path) -> None:
        record = parts.record("acme", INT8, self.QAT, RUN)
        data = parts.dataset(tmp_path / "rows", {"train": 4})
        bound = plan(onnx(tmp_path), record, steps=STEPS[1:], data=data)
        assert isinstance(bound, Plan)
        assert bound.work[0].capability == "int8"

    def test_are_told_of_where_there_are_no_others(self, tmp_path: Path) -> None:
        record = parts.record("acme", self.QAT, RUN)
        data = parts.dataset(tmp_path / "rows", {"train": 4})
        assert left_out(plan(onnx(tmp_path), record, steps=STEPS[1:], data=data)) == (
            "quantize acme: it only does that by training (qat): name one, or say --recover"
        )

    def test_are_taken_by_name(self, tmp_path: Path) -> None:
        record = parts.record("acme", INT8, self.QAT, RUN)
        data = parts.dataset(tmp_path / "rows", {"train": 4})
        steps = (STEPS[1].model_copy(update={"capability": "qat"}), STEPS[2])
        bound = plan(onnx(tmp_path), record, steps=steps, data=data)
        assert isinstance(bound, Plan)
        assert bound.work[0].capability == "qat"


def test_single_steps_are_bound_without_a_recipe(source: Artifact) -> None:
    records = host(parts.record("acme", EXPORT))
    arguments: dict[str, Any] = {"source": source, "target": parts.CPU, "data": None}
    bound = bind_steps(STEPS[:1], host=records, **arguments)
    assert bound == (PlannedStep(hook="export", plugin="acme", capability="dynamo"),)
    assert bind_steps(STEPS[1:2], host=records, **arguments) == "quantize acme: it does not do that"


class TestRunnerFor:
    def chosen(self, artifact: Artifact, *records: PluginRecord, prefer: Any = ()) -> str | None:
        step = runner_for(artifact, parts.CPU, host(*records), prefer=prefer)
        return f"{step.plugin}/{step.capability}" if step else None

    @pytest.fixture
    def artifact(self, tmp_path: Path) -> Artifact:
        return onnx(tmp_path)

    def test_the_reference_comes_first(self, artifact: Artifact) -> None:
        oracle = RUN.model_copy(update={"reference": True})
        records = (parts.record("a", RUN), parts.record("b", oracle))
        assert self.chosen(artifact, *records) == "b/cpu"
        assert self.chosen(artifact, *records, prefer=("a",)) == "b/cpu"

    def test_then_what_is_preferred(self, artifact: Artifact) -> None:
        records = [parts.record(name, RUN) for name in "abc"]
        assert self.chosen(artifact, *records) == "a/cpu"
        assert self.chosen(artifact, *records, prefer=("c", "b")) == "c/cpu"
        assert self.chosen(artifact, *records, prefer=("x", "b")) == "b/cpu"

    @pytest.mark.parametrize(
        "unfit",
        [
            RUN.model_copy(update={"lossless": False}),
            parts.row("cpu", "run", takes="tvm"),
            RUN.model_copy(update={"targets": (TargetNeed(kind="gpu"),)}),
            RUN.model_copy(update={"tasks": ("image-classification",)}),
            RUN.model_copy(update={"extra": "gone"}),
            INT8,
        ],
        ids=["lossy", "format", "target", "task", "extra", "hook"],
    )
    def test_a_row_that_does_not_fit_is_no_runner(
        self, artifact: Artifact, unfit: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.syspath_prepend(str(parts.DUMMIES / "steps_engine"))
        record = parts.record("a", unfit, distribution="hwdummy-steps")
        assert self.chosen(artifact, record) is None
        assert self.chosen(artifact, record, parts.record("b", RUN)) == "b/cpu"

    def test_a_plugin_that_cannot_be_used_runs_nothing(self, artifact: Artifact) -> None:
        assert self.chosen(artifact, parts.record("a", RUN, state="broken")) is None
        assert self.chosen(artifact, parts.record("a", manifest=None)) is None
        assert self.chosen(artifact) is None
