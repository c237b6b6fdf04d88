"""What Neural Compressor wrote beside a model: read as the configuration that gives it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from intel_configs import OLD, resolved

from core_plugin_intel.config import translate
from core_plugin_intel.layers import INSIDE
from core_plugin_intel.options import GptqOptions, StaticOptions
from hwcore.contract import UserError

BEST = """
approach: post_training_static_quant
bf16_ops_list:
- !!python/tuple [bert.pooler.dense, Linear]
calib_iteration: 1
calib_sampling_size: 100
framework: pytorch_fx
op:
  ? !!python/tuple [classifier, Linear]
  : activation: {dtype: fp32, quant_mode: fp32}
    weight: {dtype: fp32}
  ? !!python/tuple [bert.encoder.layer.0.output.dense, Linear]
  : activation: {algorithm: kl, dtype: uint8, granularity: per_tensor, quant_mode: static,
                 scheme: asym}
    weight: {algorithm: minmax, bit: 7.0, dtype: int8, granularity: per_channel, scheme: sym}
  ? !!python/tuple [bert.encoder.layer.1.output.dense, Linear]
  : activation: {algorithm: minmax, dtype: uint8}
    weight: {dtype: int8}
  ? !!python/tuple [bert.embeddings.LayerNorm, LayerNorm]
  : activation: {dtype: uint8}
  ? !!python/tuple [add_1, add]
  : activation: {dtype: fp32}
"""
SAID = " of Neural Compressor's configuration is not used: "


def test_what_a_run_of_version_2_ended_with(tmp_path: Path) -> None:
    """As version 2 writes it beside the weights: with tuples for the names of operators."""
    file = tmp_path / "best_configure.yaml"
    file.write_text(BEST)
    options, lines = resolved(StaticOptions(config=str(tmp_path)), "int8-static")
    assert options == StaticOptions(
        w_granularity="per_channel",
        act_algo="kl",
        act_dtype="uint8",
        act_sym=False,
        calibration_sampling_size=100,
        float_layers=("classifier",),
        bf16_layers=("bert.pooler.dense",),
    )
    assert dict(line.split(SAID) for _, line in lines) == {
        "op_name_dict.bert.encoder.layer.1.output.dense": "operators can be left in floating "
        "point, and not be set apart",
        "calib_iteration": OLD,
        "op": "of operators, linear layers alone are read from a result",
    }


@pytest.mark.parametrize(
    ("node", "reason"),
    [
        ({"op": {}}, "op .*: it has no linear layer in few bits"),
        ({"op": {("a", "Linear"): {"weight": {"dtype": "fp32"}}}}, "no linear layer in few bits"),
        ({"op": {"a": {}}}, "op .*: a is no name and type of an operator"),
        ({"op": {("a", "Linear"): {}}, "bf16_ops_list": 3}, "bf16_ops_list .*: 3 is no name"),
    ],
)
def test_one_of_version_2_without_linear_layers_is_refused(node: Any, reason: str) -> None:
    with pytest.raises(UserError, match=reason) as caught:
        translate(node)
    assert caught.value.hint == "Name the configuration that the model was made with."


def result(**layers: dict[str, Any]) -> dict[str, Any]:
    return {f"('{name}', 'Linear')": {"gptq": settings} for name, settings in layers.items()}


def test_what_a_run_of_version_3_ended_with(tmp_path: Path) -> None:
    """As version 3 writes it beside the weights: each operator with its settings."""
    common = {"bits": 4, "group_size": 64, "use_sym": True, "_is_initialized": True}
    layers = result(a={"dtype": "fp32"}, b=common, c=common, d=common | {"group_size": 128})
    layers["('e', 'Conv1D')"] = {"gptq": common}
    (tmp_path / "qconfig.json").write_text(json.dumps(layers))
    options, lines = resolved(GptqOptions(config=str(tmp_path)), "int4-gptq")
    assert options == GptqOptions(group_size=64, use_sym=True, float_layers=(f"a{INSIDE}",))
    assert dict(line.split(SAID) for _, line in lines) == {
        "gptq.local.d": "layers can be left in floating point, and not set apart",
        "('e', 'Conv1D')": "of operators, linear layers alone are read from a result",
    }


@pytest.mark.parametrize(
    ("node", "reason"),
    [
        (result(a={"dtype": "fp32"}), "it has no linear layer in few bits"),
        ({"('a', 'Linear')": {"rtn": {}, "awq": {}}}, r"one algorithm, and not \['awq', 'rtn'\]"),
        ({"('a', 'Linear')": {"mine": {}}}, r"one algorithm, and not \['mine'\]"),
        ({"('a', 'Conv1D')": {"rtn": {}}}, r"one algorithm, and not \[\]"),
    ],
)
def test_one_of_version_3_that_says_too_little_is_refused(node: Any, reason: str) -> None:
    with pytest.raises(UserError, match=reason) as caught:
        translate(node)
    assert caught.value.hint == "Name the configuration that the model was made with."
