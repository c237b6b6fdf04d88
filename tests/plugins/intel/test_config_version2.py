"""Files of Neural Compressor 1 and 2: every key is followed, or named."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from intel_configs import OLD, translated

from core_plugin_intel.config import translate
from core_plugin_intel.options import TunedOptions
from hwcore.contract import UserError

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
  recipes: {fast_bias_correction: true, scale_propagation_concat: false}
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
    made = translated(yaml.safe_load(VERSION_1))
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
    assert made.unused == {
        "quantization.calibration.dataloader": "rows and metric come from --data",
        "quantization.recipes.fast_bias_correction": OLD,
        "quantization.recipes.scale_propagation_concat": OLD,
        "quantization.op_wise.classifier": "operators can be left in floating point, and not be "
        "set apart",
        "quantization.optype_wise.Conv2d": "of types, only Linear has settings; name layers in "
        "float_layers",
        "tuning.strategy": f"mse_v2: {OLD}; int8-tuned goes by sensitivity",
        "tuning.random_seed": OLD,
        "model": "dropped in 3.0, with YAML files; rows and metric come from --data",
        "evaluation": "dropped in 3.0, with YAML files; rows and metric come from --data",
        "version": "dropped in 3.0, with YAML files; rows and metric come from --data",
        "device": "dropped in 3.0, with YAML files; rows and metric come from --data",
    }


def test_the_attributes_of_version_2() -> None:
    made = translated(
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


DEFAULTS = """
backend: default
device: cpu
domain: auto
quant_format: default
inputs: []
reduce_range: null
quant_level: auto
excluded_precisions: [bf16, fp16]
recipes: {smooth_quant: false, smooth_quant_args: {}, gemm_to_matmul: true, gptq_args: {},
          first_conv_or_matmul_quantization: true, pre_post_process_quantization: true}
tuning_criterion: {timeout: 0, strategy: basic, objective: performance, strategy_kwargs: null}
"""


def test_what_neural_compressor_does_anyway_is_passed_over() -> None:
    made = translated(yaml.safe_load(DEFAULTS))
    assert (made.capability, made.options, made.unused) == ("int8-static", {}, {})


@pytest.mark.parametrize(
    ("node", "capability", "options"),
    [
        ({"quantization": {"approach": "post_training_dynamic_quant"}}, "int8-dynamic", {}),
        ({"mixed_precision": {"precisions": ["bf16"]}}, "bf16", {}),
        ({"mixed_precision": {"precisions": ["bf16, fp32"]}}, "bf16", {}),
        (
            {"tuning": {"accuracy_criterion": {"absolute": 0.03}}},
            "int8-tuned",
            {"tolerable_loss": 0.03, "criterion": "absolute"},
        ),
        (
            {
                "tuning": {
                    "accuracy_criterion": {"relative": 0.01},
                    "exit_policy": {"performance_only": True, "max_trials": 3},
                }
            },
            "int8-static",
            {},
        ),
        (
            {"quantization": {}, "tuning": {"exit_policy": {"max_trials": 5}}},
            "int8-tuned",
            {"max_trials": 5},
        ),
        ({"approach": "static", "tuning_criterion": {"timeout": 9}}, "int8-tuned", {"timeout": 9}),
        (
            {"accuracy_criterion": {"criterion": "absolute"}},
            "int8-tuned",
            {"criterion": "absolute"},
        ),
        ({"accuracy_criterion": {"higher_is_better": True}}, "int8-tuned", {}),
        (
            {"accuracy_criterion": {"criterion": "relative", "tolerable_loss": "5 %"}},
            "int8-tuned",
            {"criterion": "relative", "tolerable_loss": 0.05},
        ),
        (
            {"quantization": {"calibration": {"sampling_size": "40, 80"}}},
            "int8-static",
            {"calibration_sampling_size": 40},
        ),
        (
            {"quantization": {"optype_wise": {"Linear": {"activation": {"algorithm": ["kl"]}}}}},
            "int8-static",
            {"act_algo": "kl"},
        ),
        ({"approach": ["static"]}, "int8-static", {}),
        (
            {
                "quantization": {"is_static": True, "dataset_num_samples": 50},
                "pruning": {},
                "distillation": {},
                "neural_compressor_version": "2.4.1",
                "optimum_version": "1.16.2",
                "torch_version": "2.2.0",
                "transformers_version": "4.38.0",
                "save_onnx_model": False,
            },
            "int8-static",
            {"calibration_sampling_size": 50},
        ),
        (
            {"quantization": {"is_static": False, "dataset_num_samples": None}, "pruning": {}},
            "int8-dynamic",
            {},
        ),
    ],
)
def test_other_files(node: dict[str, Any], capability: str, options: dict[str, Any]) -> None:
    made = translated(node)
    assert (made.capability, made.options, made.unused) == (capability, options, {})


def test_a_criterion_without_a_loss_is_that_of_version_2() -> None:
    defaults = TunedOptions()
    assert (defaults.criterion, defaults.tolerable_loss) == ("relative", 0.01)


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
        ({"quantization": {"approach": "none"}}, "none is none of", "Mend"),
        ({"mixed_precision": {"precisions": "fp16"}}, "has no bf16", "bfloat16"),
        (
            {"op_type_dict": {"Linear": {"weight": {"dtype": "bf16"}}}},
            "op_type_dict.Linear .* no linear layer is left",
            "capability bf16",
        ),
        ({"op_type_dict": {"(": {}}}, r"op_type_dict.\( .* no regular expression", "Mend"),
    ],
)
def test_other_jobs_are_refused(node: Any, reason: str, hint: str) -> None:
    with pytest.raises(UserError, match=reason) as caught:
        translate(node)
    assert hint in str(caught.value.hint)
