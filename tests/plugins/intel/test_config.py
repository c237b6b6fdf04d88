"""Neural Compressor's own configurations, of every version, as options of this plugin."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from intel_steps import RecordingContext

from core_plugin_intel.config import resolve, translate
from core_plugin_intel.options import (
    BY_CAPABILITY,
    DynamicOptions,
    GptqOptions,
    StaticOptions,
    TunedOptions,
)
from hwcore.contract import UserError, Value

VERSION_1 = """
version: 1.0
model:
  name: bert
  framework: pytorch_fx
device: cpu
quantization:
  approach: post_training_static_quant
  calibration:
    sampling_size: [50, 100]
    dataloader: {batch_size: 8, dataset: {dummy: {shape: [8, 128]}}}
  recipes: {fast_bias_correction: true, scale_propagation_concat: true}
  model_wise:
    weight: {granularity: per_tensor, scheme: sym, dtype: int8, algorithm: minmax, bit: 7.0}
    activation: {granularity: per_tensor, scheme: asym, dtype: [uint8, fp32], algorithm: kl}
  op_wise:
    'bert.encoder.layer.1.output.dense':
      activation: {dtype: [fp32]}
      weight: {dtype: [fp32]}
    'bert.pooler.*':
      activation: {dtype: [bf16]}
    'classifier':
      activation: {algorithm: [kl]}
  optype_wise:
    Conv2d:
      weight: {dtype: [fp32]}
tuning:
  strategy: {name: mse_v2}
  accuracy_criterion: {relative: 2%}
  exit_policy: {timeout: 60, max_trials: 5}
  random_seed: 9527
evaluation:
  accuracy: {metric: {topk: 1}}
"""


def test_a_file_of_version_1() -> None:
    made = translate(yaml.safe_load(VERSION_1))
    assert made.capability == "int8-tuned"
    assert made.options == {
        "calibration_sampling_size": 50,
        "w_granularity": "per_tensor",
        "act_dtype": "uint8",
        "act_sym": False,
        "act_algo": "kl",
        "float_layers": ["bert.encoder.layer.1.output.dense"],
        "bf16_layers": ["bert.pooler.*"],
        "tolerable_loss": 0.02,
        "criterion": "relative",
        "max_trials": 5,
        "timeout": 60.0,
    }
    TunedOptions.model_validate(made.options)
    assert made.unused == {
        "quantization.calibration.dataloader": "rows and metric come from --data",
        "quantization.recipes.fast_bias_correction": "dropped in 3.8, with the API of 2.x",
        "quantization.recipes.scale_propagation_concat": "dropped in 3.8, with the API of 2.x",
        "quantization.op_wise.classifier": "operators can be left in floating point, and not be "
        "set apart",
        "quantization.optype_wise.Conv2d": "only linear layers can be named here",
        "tuning.strategy": "mse_v2: dropped in 3.8, with the API of 2.x; int8-tuned goes by "
        "sensitivity",
        "tuning.random_seed": "dropped in 3.8, with the API of 2.x",
        "model": "dropped in 3.0, with YAML files; rows and metric come from --data",
        "evaluation": "dropped in 3.0, with YAML files; rows and metric come from --data",
        "version": "dropped in 3.0, with YAML files; rows and metric come from --data",
        "device": "dropped in 3.0, with YAML files; rows and metric come from --data",
    }


def test_the_attributes_of_version_2() -> None:
    made = translate(
        {
            "approach": "static",
            "backend": "ipex",
            "calibration_sampling_size": [32],
            "recipes": {"smooth_quant": True, "smooth_quant_args": {"alpha": 0.7, "folding": True}},
            "op_name_dict": {"classifier": {"weight": {"dtype": ["fp32"]}}},
            "excluded_precisions": [],
        }
    )
    assert made.capability == "int8-static"
    assert made.options == {
        "calibration_sampling_size": 32,
        "float_layers": ["classifier"],
        "smooth_alpha": 0.7,
    }
    assert sorted(made.unused) == ["backend", "recipes.smooth_quant_args.folding"]


@pytest.mark.parametrize(
    ("node", "capability", "options"),
    [
        ({"quantization": {"approach": "post_training_dynamic_quant"}}, "int8-dynamic", {}),
        ({"mixed_precision": {"precisions": ["bf16"]}}, "bf16", {}),
        (
            {"tuning": {"accuracy_criterion": {"absolute": 0.03}}},
            "int8-tuned",
            {"tolerable_loss": 0.03, "criterion": "absolute"},
        ),
        (
            {
                "tuning": {
                    "accuracy_criterion": {"relative": 0.01},
                    "exit_policy": {"performance_only": True},
                }
            },
            "int8-static",
            {},
        ),
        (
            {
                "static_quant": {
                    "global": {"act_sym": True, "act_algo": "kl", "w_dtype": "int8"},
                    "local": {"classifier": {"w_dtype": "fp32", "act_dtype": "fp32"}},
                }
            },
            "int8-static",
            {"act_sym": True, "act_algo": "kl", "float_layers": ["classifier"]},
        ),
        (
            {"gptq": {"bits": 4, "group_size": 64, "act_order": True, "dtype": "int"}},
            "int4-gptq",
            {"group_size": 64, "act_order": True},
        ),
        (
            {"smooth_quant": {"global": {"alpha": 0.4, "act_algo": "minmax"}}},
            "int8-static",
            {"act_algo": "minmax", "smooth_alpha": 0.4},
        ),
        (
            {"pt2e_dynamic_quant": {"global": {"act_dtype": "int8"}}},
            "int8-dynamic",
            {"act_dtype": "int8"},
        ),
    ],
)
def test_other_files(node: dict[str, Any], capability: str, options: dict[str, Any]) -> None:
    made = translate(node)
    assert (made.capability, made.options, made.unused) == (capability, options, {})
    BY_CAPABILITY[capability].model_validate(made.options)


def test_what_version_3_has_and_this_plugin_has_not_is_named() -> None:
    node = {"rtn": {"global": {"bits": 3, "dtype": "nf4", "group_size": 32}, "local": {"a": {}}}}
    made = translate(node)
    assert made.options == {"group_size": 32}
    assert made.unused == {
        "rtn.global.bits": "3 cannot be had here",
        "rtn.global.dtype": "nf4 cannot be had here",
        "rtn.local.a": "layers can be left in floating point, and not set apart",
    }


@pytest.mark.parametrize(
    ("node", "reason", "hint"),
    [
        ({"pruning": {"approach": {}}, "model": {}}, "pruning .* dropped in 3.8", "sparsify"),
        ({"distillation": {"train": {}}}, "distillation .* dropped in 3.8", "--recover"),
        (
            {"quantization": {"approach": "quant_aware_training"}},
            "quantization.approach .* int8 was dropped in 3.8",
            "--recover",
        ),
        ({"quantization": {"approach": "none"}}, "'none' is none of", "Mend"),
        ({"approach": "weight_only"}, "approach .* rows of their own", "int4-gptq"),
        ({"mixed_precision": {"precisions": "fp16"}}, "has no bf16", "bfloat16"),
        ({"fp8_quant": {}}, "no such capability for CPUs", "int8-static"),
        ({"rtn": {}, "awq": {}}, "rtn and awq .* one step does one", "Keep one"),
        ({"flavour": 1}, "the keys flavour are of no configuration", "static_quant"),
        (["quantization"], "is no mapping of names", "YAML"),
    ],
)
def test_other_jobs_are_refused(node: Any, reason: str, hint: str) -> None:
    with pytest.raises(UserError, match=reason) as caught:
        translate(node)
    assert hint in str(caught.value.hint)


def resolved(options: Value, capability: str) -> tuple[Value, list[tuple[str, str]]]:
    ctx = RecordingContext()
    return resolve(options, capability, ctx), ctx.lines


def test_without_a_configuration_nothing_changes() -> None:
    assert resolved(GptqOptions(), "int4-gptq") == (GptqOptions(), [])
    assert resolved(StaticOptions(), "int8-static") == (StaticOptions(), [])


def test_what_is_said_here_counts_more(tmp_path: Path) -> None:
    file = tmp_path / "conf.yaml"
    file.write_text(VERSION_1, "utf-8")
    options, lines = resolved(TunedOptions(config=str(file), act_algo="minmax"), "int8-tuned")
    assert isinstance(options, TunedOptions)
    assert (options.act_algo, options.max_trials) == ("minmax", 5)
    assert len(lines) == 11
    assert lines[0] == (
        "warning",
        "quantization.calibration.dataloader of Neural Compressor's configuration is not used: "
        "rows and metric come from --data",
    )


def test_a_configuration_may_stand_in_the_recipe() -> None:
    node = {"pt2e_dynamic_quant": {"global": {"w_granularity": "per_tensor"}}}
    options, _ = resolved(DynamicOptions(config=node), "int8-dynamic")
    assert options == DynamicOptions(w_granularity="per_tensor")


def test_json_is_yaml_too(tmp_path: Path) -> None:
    file = tmp_path / "qconfig.json"
    file.write_text(json.dumps({"static_quant": {"global": {"act_sym": True}}}), "utf-8")
    options, _ = resolved(StaticOptions(config=str(file)), "onnx-int8")
    assert options == StaticOptions(act_sym=True)


def test_another_capability_is_named() -> None:
    node = {"approach": "dynamic"}
    with pytest.raises(UserError, match="asks for int8-dynamic, and this step is int8-static") as e:
        resolved(StaticOptions(config=node), "int8-static")
    assert e.value.hint == "Use the capability int8-dynamic."


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("a: [", "is no YAML file"),
        ("calibration_sampling_size: 0\napproach: static", "cannot be followed: .*greater than"),
        ("x" * (1 << 20) + "y", "expected at most 1048576"),
    ],
)
def test_a_file_that_cannot_be_read_is_said(tmp_path: Path, content: str, reason: str) -> None:
    file = tmp_path / "conf.yaml"
    file.write_text(content, "utf-8")
    with pytest.raises(UserError, match=reason):
        resolved(StaticOptions(config=str(file)), "int8-static")


@pytest.mark.parametrize("place", ["nowhere.yaml", "no/model", "no/model:conf.yaml", "a/b/c"])
def test_a_file_that_is_not_there_is_said(place: str) -> None:
    with pytest.raises(UserError, match=f"there is no file '{place}' here") as caught:
        resolved(StaticOptions(config=place), "int8-static")
    assert "owner/name:file" in str(caught.value.hint)


def test_a_model_of_the_hub_is_found_in_its_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the hub lays a model's files down: a snapshot of each revision, and which is main."""
    from huggingface_hub import constants

    folder = tmp_path / "models--me--int8"
    snapshot = folder / "snapshots" / "0123"
    snapshot.mkdir(parents=True)
    (folder / "refs").mkdir()
    (folder / "refs" / "main").write_text("0123")
    (snapshot / "best_configure.yaml").write_text("approach: static\n")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    options, _ = resolved(StaticOptions(config="me/int8:best_configure.yaml"), "int8-static")
    assert options == StaticOptions()
