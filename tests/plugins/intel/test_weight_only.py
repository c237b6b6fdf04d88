"""Weights in few bits: what is stored, and how near each algorithm comes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import intel_models
import pytest
import torch
from intel_steps import RecordingContext, Steps, error, exported, loaded

from core_plugin_intel.layers import linears
from hwcore.contract import Artifact, Cancelled, Dataset, UserError
from hwcore.transformers import load_module, read_source

Source = Callable[..., Artifact]
Data = Callable[..., Dataset]

FOUR_BITS = ("int4-rtn", "int4-hqq", "int4-gptq", "int4-awq", "int4-autoround")
SAMPLED = ("int4-gptq", "int4-awq", "int4-autoround")


@pytest.fixture(scope="module")
def uneven(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    root = tmp_path_factory.mktemp("uneven")
    return read_source(intel_models.uneven(root / "model", 100), into=root / "source")


@pytest.fixture(scope="module")
def uneven_data(uneven: Artifact, tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return intel_models.dataset(uneven, tmp_path_factory.mktemp("uneven-data"))


@pytest.mark.parametrize("capability", FOUR_BITS)
def test_four_bits_are_stored_two_in_a_byte(
    capability: str, tiny_source: Source, tiny_data: Data, steps: Steps
) -> None:
    source, data = tiny_source("bert"), tiny_data("bert")
    made = steps(capability, source, data if capability in SAMPLED else None)
    assert (made.format, made.traits.quantization) == ("torch-export", "int4-weights")
    assert made.manifest.facts["ops_quantized"] == 14
    stored = exported(made).state_dict
    packed = {n.removeprefix("model.").removesuffix(".packed") for n in stored if "packed" in n}
    layers = linears(load_module(source))
    assert packed == layers.keys()
    for name in packed:
        layer = stored[f"model.{name}.packed"]
        assert layer.dtype == torch.uint8
        assert layer.shape == (layers[name].out_features, layers[name].in_features // 2)
    assert error(source, loaded(made), data) < 0.6


def test_calibrated_algorithms_come_nearer(
    tiny_source: Source, tiny_data: Data, steps: Steps
) -> None:
    source, data = tiny_source("bert"), tiny_data("bert")
    plain = steps("int4-rtn", source, use_mse_search=False, embeddings="float32")
    nearest = error(source, loaded(plain), data)
    for capability in SAMPLED:
        made = steps(capability, source, data, embeddings="float32")
        assert error(source, loaded(made), data) < nearest, capability


def test_eight_bits_are_near(tiny_source: Source, tiny_data: Data, steps: Steps) -> None:
    source = tiny_source("bert")
    made = steps("int8-weights", source)
    assert made.traits.quantization == "int8-weights"
    assert 8 < made.manifest.facts["bits_per_weight"] < 12  # type: ignore[operator]
    assert error(source, loaded(made), tiny_data("bert")) < 0.08


def test_a_layer_no_group_divides_gets_eight_bits(
    tiny_source: Source, tiny_data: Data, steps: Steps
) -> None:
    """The least group is 8; asked for 12, a layer of 32 inputs has 4 as the largest divisor."""
    made = steps("int4-rtn", tiny_source("bert"), group_size=12)
    assert not [n for n in exported(made).state_dict if "packed" in n]
    assert made.manifest.facts["ops_quantized"] == 14


@pytest.mark.parametrize("capability", FOUR_BITS)
def test_a_layer_that_no_group_suits_has_eight_bits_beside_those_of_four(
    capability: str, uneven: Artifact, uneven_data: Dataset, steps: Steps
) -> None:
    """Of 100 inputs and groups of 32 the largest divisor of both is 4."""
    made = steps(capability, uneven, uneven_data if capability in SAMPLED else None)
    stored = exported(made).state_dict
    eight = {n.removesuffix(".codes") for n in stored if n.endswith("output.dense.codes")}
    assert len(eight) == 2
    assert not any(f"{name}.packed" in stored for name in eight)
    for name in eight:
        assert stored[f"{name}.codes"].shape == (32, 100)
    assert len([n for n in stored if n.endswith(".packed")]) == 12
    assert error(uneven, loaded(made), uneven_data) < 0.6


def test_groups_are_the_largest_divisor(steps: Steps, tiny_source: Source) -> None:
    made = steps("int4-rtn", tiny_source("bert"), group_size=48)
    stored = exported(made).state_dict
    groups = {
        stored[n].shape[1] * 2 // stored[n.replace("packed", "scale")].shape[1]
        for n in stored
        if n.endswith(".packed")
    }
    assert groups == {16}  # of 32 and of 64 inputs


def test_a_byte_is_never_split(tmp_path: Path, steps: Steps) -> None:
    source = read_source(intel_models.uneven(tmp_path / "model", 63), into=tmp_path / "source")
    made = steps("int4-rtn", source, group_size=9)
    stored = exported(made).state_dict
    assert not [n for n in stored if n.endswith(".packed")]


@pytest.mark.parametrize("options", [{"act_order": True}, {"use_sym": True}])
def test_gptq_comes_nearer_with_each_option(
    options: dict[str, Any], tiny_source: Source, tiny_data: Data, steps: Steps
) -> None:
    """Of layers that are several groups wide."""
    source, data = tiny_source("bert"), tiny_data("bert")
    shared = {"group_size": 8, "embeddings": "float32"}
    symmetric = options.get("use_sym", False)
    plain = steps("int4-rtn", source, use_mse_search=False, use_sym=symmetric, **shared)
    made = steps("int4-gptq", source, data, **options, **shared)
    assert error(source, loaded(made), data) < error(source, loaded(plain), data)


@pytest.mark.parametrize("capability", SAMPLED)
def test_a_layer_in_float32_stays_what_it_was(
    capability: str, tiny_source: Source, tiny_data: Data, steps: Steps
) -> None:
    source, name = tiny_source("bert"), "bert.encoder.layer.0.output.dense"
    made = steps(capability, source, tiny_data("bert"), float_layers=[name])
    assert made.manifest.facts["ops_quantized"] == 13
    before = linears(load_module(source))[name].weight
    assert torch.equal(exported(made).state_dict[f"model.{name}.weight"], before)


@pytest.mark.parametrize("capability", ["int8-weights", *FOUR_BITS])
def test_a_convolution_may_be_named_and_is_float32_anyway(
    capability: str, tiny_source: Source, tiny_data: Data, steps: Steps
) -> None:
    source, name = tiny_source("vit"), "vit.embeddings.patch_embeddings.projection"
    data = tiny_data("vit") if capability in SAMPLED else None
    made = steps(capability, source, data, float_layers=[name])
    assert made.manifest.facts["ops_quantized"] == 13
    assert exported(made).state_dict[f"model.{name}.weight"].dtype == torch.float32
    assert error(source, loaded(made), tiny_data("vit")) < 0.6


def test_bfloat16_is_stored_as_such(tiny_source: Source, tiny_data: Data, steps: Steps) -> None:
    source = tiny_source("bert")
    made = steps("bf16", source, float_layers=["classifier"])
    assert made.traits.quantization == "bf16"
    assert made.manifest.facts["ops_quantized"] == 13
    stored = exported(made).state_dict
    halves = sum(tensor.dtype == torch.bfloat16 for tensor in stored.values())
    assert halves == 13 * 2 + 3  # weights and biases, and three tables
    assert error(source, loaded(made), tiny_data("bert")) < 0.05


def test_layers_can_be_left(tiny_source: Source, steps: Steps) -> None:
    made = steps("int4-rtn", tiny_source("bert"), float_layers=["classifier", r"bert\.pooler\..*"])
    assert made.manifest.facts["ops_quantized"] == 12
    with pytest.raises(UserError, match="no layer of the model is called 'head'"):
        steps("int8-weights", tiny_source("bert"), float_layers=["head"])


@pytest.mark.parametrize("capability", SAMPLED)
def test_calibrated_algorithms_need_rows(
    capability: str, tiny_source: Source, steps: Steps
) -> None:
    with pytest.raises(UserError, match="at least 8 calibration rows, and there are 0"):
        steps(capability, tiny_source("bert"), None, RecordingContext())


@pytest.mark.parametrize("capability", ["int4-rtn", "int4-autoround"])
def test_it_stops_between_two_layers(
    capability: str, tiny_source: Source, tiny_data: Data, steps: Steps
) -> None:
    ctx = RecordingContext(stop_after=30 if capability == "int4-autoround" else 3)
    with pytest.raises(Cancelled, match="quantization was stopped"):
        steps(capability, tiny_source("bert"), tiny_data("bert"), ctx)
    assert ctx.fractions == sorted(ctx.fractions)


def test_an_unknown_capability_is_refused(tiny_source: Source, steps: Steps) -> None:
    with pytest.raises(UserError, match="has no capability 'int3'") as caught:
        steps("int3", tiny_source("bert"))
    assert "int4-rtn" in str(caught.value.hint)
