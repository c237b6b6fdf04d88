"""Every value is frozen, strict about keys, and the same after a trip through JSON."""

from __future__ import annotations

import math
import pickle
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from hwcore import contract
from hwcore.contract import (
    Artifact,
    ArtifactManifest,
    Capability,
    Caveat,
    Column,
    Component,
    DataNeed,
    Dataset,
    DatasetInfo,
    Device,
    Dim,
    Draft,
    FileEntry,
    Integers,
    LayerSensitivity,
    LineageStep,
    Manifest,
    Mask,
    Metric,
    Normal,
    Pattern,
    Plan,
    PlannedStep,
    Produces,
    Recipe,
    Sensitivity,
    Signature,
    Sparsity,
    Step,
    Target,
    TargetNeed,
    TensorSpec,
    Traits,
    Value,
)

SIGNATURE = Signature(
    inputs=(TensorSpec(name="x", dtype="float32", shape=("batch", 4), fill=Normal(std=2.0)),),
    outputs=(TensorSpec(name="y", dtype="bfloat16", shape=("batch",)),),
    dims=(Dim(name="batch", min=2, max=8, multiple_of=2),),
)
TRAITS = Traits(
    quantization="int8-static",
    op_domains=("com.microsoft",),
    sparsity=Sparsity(pattern="2:4", share=0.5),
    bound_to="00ff",
    stage="compiled",
)
STEP = LineageStep(
    hook="quantize",
    plugin="acme",
    version="1.2",
    capability="int8",
    options={"deep": {"list": [1, 2.5, None, True, "text"]}},
    target="00ff",
    seed=3,
    dataset="da7a",
    parent="ba5e",
    libraries={"acme-lib": "9"},
)
MANIFEST = ArtifactManifest(
    format="onnx",
    task="text-classification",
    traits=TRAITS,
    components={"model": Component(signature=SIGNATURE, file="sub/model.onnx")},
    files={"sub/model.onnx": FileEntry(sha256="0" * 64, size=7, mtime_ns=11)},
    facts={"bits_per_weight": 8.25, "parameters": 22},
    lineage=(STEP,),
    digest="d16e57",
)
TARGET = Target(kind="cpu", vendor="AMD", features=("avx2",), memory_bytes=1 << 30, cores=2)
PLANNED = PlannedStep(hook="run", plugin="acme", capability="cpu", options={"threads": 2})
INFO = DatasetInfo(
    task="text-classification",
    columns={"input_ids": Column(dtype="int64", shape=(None,), pad=1)},
    labels=("no", "yes"),
    metric=Metric(name="accuracy", params={"output": "logits"}),
    rows={"tune": 3, "test": 5},
)
CAPABILITY = Capability(
    id="int8",
    hook="quantize",
    inputs=(Pattern(format="onnx", quantization=("none",), stage=("none",), op_domains=()),),
    output=Produces(format="onnx", quantization="int8-static", bound=True),
    not_after=("quantize",),
    tasks=("text-classification",),
    targets=(TargetNeed(kind="cpu", any_of=("vnni",)),),
    data=DataNeed(role="calibration", rows=8),
    lossless=False,
    keeps="exclude",
    extra="build",
    caveats=(Caveat(text="slow without VNNI", lacks=("vnni",)),),
)

LAYER = LayerSensitivity(
    name="encoder.0.dense",
    parameters=72,
    time_share=0.25,
    loss={"int8": -0.5, "zeros-95": 0.125},
    error={"int8": 0.0, "zeros-95": 1.5},
)

EXAMPLES: list[Value] = [
    SIGNATURE,
    *SIGNATURE.inputs,
    *SIGNATURE.dims,
    Integers(low=1, high=9),
    Mask(),
    Normal(mean=1.0),
    TRAITS,
    Sparsity(pattern="1x4", share=0.9),
    STEP,
    MANIFEST,
    MANIFEST.components["model"],
    MANIFEST.files["sub/model.onnx"],
    Draft(format="onnx", traits=TRAITS, facts={"ops_quantized": 3}),
    Artifact(path=Path("/models/one"), manifest=MANIFEST),
    Device(id="cuda:0", kind="gpu", name="Big", features=("sm_90",), memory_bytes=9),
    TARGET,
    CAPABILITY,
    *CAPABILITY.inputs,
    CAPABILITY.output,
    *CAPABILITY.targets,
    *CAPABILITY.caveats,
    CAPABILITY.data,
    Manifest(
        name="acme",
        vendor="Acme",
        summary="All of it.",
        contract=">=1,<2",
        devices=True,
        sensitivity=True,
        capabilities=(CAPABILITY,),
    ),
    Step(hook="run", plugin="acme"),
    Recipe(name="fast", tasks=("text-classification",), steps=(Step(hook="run", plugin="acme"),)),
    PLANNED,
    Plan(name="fast", source="ba5e", target=TARGET, work=(), run=PLANNED, seed=1),
    INFO,
    *INFO.columns.values(),
    INFO.metric,
    Dataset(path=Path("/data/one"), info=INFO),
    LAYER,
    Sensitivity(metric="accuracy", baseline=0.875, rows=64, layers=(LAYER,)),
]

each = pytest.mark.parametrize("value", EXAMPLES, ids=lambda value: type(value).__name__)


def test_every_value_of_the_contract_has_an_example() -> None:
    public = {getattr(contract, name) for name in contract.__all__}
    values = {kind for kind in public if isinstance(kind, type) and issubclass(kind, Value)}
    assert values - {Value} == {type(value) for value in EXAMPLES}


@each
def test_json_round_trip(value: Value) -> None:
    again = type(value).model_validate_json(value.model_dump_json())
    assert again == value
    assert again.model_dump_json() == value.model_dump_json()


@each
def test_pickle_round_trip(value: Value) -> None:
    assert pickle.loads(pickle.dumps(value)) == value  # noqa: S301 - our own bytes


@each
def test_frozen(value: Value) -> None:
    name = next(iter(type(value).model_fields))
    with pytest.raises(ValidationError, match="frozen"):
        setattr(value, name, None)


@each
def test_unknown_keys_are_refused(value: Value) -> None:
    with pytest.raises(ValidationError, match="Extra inputs are not permitted"):
        type(value).model_validate({**value.model_dump(), "colour": "red"})


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_numbers_that_json_cannot_hold_are_refused(number: float) -> None:
    # Written as null they would come back as something else, and with another digest.
    with pytest.raises(ValidationError, match="finite number"):
        Draft(format="onnx", facts={"error": number})
    with pytest.raises(ValidationError, match="finite number"):
        Step(hook="run", plugin="acme", options={"deep": [{"number": number}]})
    with pytest.raises(ValidationError, match="finite number"):
        Normal(std=number)


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc"), inner, max_size=3),
    max_leaves=8,
)


@settings(deadline=None, max_examples=60)
@given(facts=st.dictionaries(st.text("abc_"), json_values, max_size=4))
def test_any_json_survives_as_facts(facts: dict[str, contract.Options]) -> None:
    draft = Draft(format="onnx", facts=facts)
    again = Draft.model_validate_json(draft.model_dump_json())
    assert again.model_dump(mode="json") == draft.model_dump(mode="json")


def test_what_is_no_json_is_refused() -> None:
    with pytest.raises(ValidationError, match="not a valid JSON value"):
        Step(hook="run", plugin="acme", options={"path": Path("x")})


@pytest.mark.parametrize("name", ["a", "int8", "core.plugin_x-1", "9"])
def test_names(name: str) -> None:
    assert Step(hook="run", plugin=name).plugin == name


@pytest.mark.parametrize("name", ["", "A", "a/b", "../a", "-a", "a-", "a b", "ä", "a\n", "x" * 65])
def test_names_that_could_be_mistaken_are_refused(name: str) -> None:
    with pytest.raises(ValidationError, match="plugin"):
        Step(hook="run", plugin=name)
