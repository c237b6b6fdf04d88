"""Keys of version 1 and 2 that this plugin cannot follow: each is named, with why."""

from __future__ import annotations

from typing import Any

import pytest
from intel_configs import OLD, translated

ENDS = "name the layers to leave in float_layers"
ONLY_STATIC = "tuning is for static quantization"


@pytest.mark.parametrize(
    ("node", "key", "why"),
    [
        (
            {"recipes": {"first_conv_or_matmul_quantization": False}},
            "recipes.first_conv_or_matmul_quantization",
            ENDS,
        ),
        (
            {"recipes": {"last_conv_or_matmul_quantization": False}},
            "recipes.last_conv_or_matmul_quantization",
            ENDS,
        ),
        (
            {"quantization": {"recipes": {"pre_post_process_quantization": False}}},
            "quantization.recipes.pre_post_process_quantization",
            ENDS,
        ),
        ({"recipes": {"gemm_to_matmul": False}}, "recipes.gemm_to_matmul", OLD),
        ({"approach": "static", "quant_level": 0}, "quant_level", OLD),
        ({"approach": "static", "reduce_range": False}, "reduce_range", OLD),
        (
            {"quantization": {"approach": "static"}, "mixed_precision": {"precisions": ["bf16"]}},
            "mixed_precision",
            "a step does one job, and this is another",
        ),
        (
            {"mixed_precision": {"precisions": "bf16"}, "graph_optimization": {"precisions": "x"}},
            "graph_optimization",
            "a step does one job, and this is another",
        ),
        (
            {"mixed_precision": {"precisions": ["bf16", "fp16"]}},
            "mixed_precision.precisions",
            "fp16 cannot be had beside bf16",
        ),
        (
            {"mixed_precision": {"precisions": "bf16", "op_wise": {"a": {}}}},
            "mixed_precision.op_wise",
            "name the layers in float_layers",
        ),
        (
            {"approach": "dynamic", "tuning_criterion": {"max_trials": 5}},
            "tuning_criterion.max_trials",
            ONLY_STATIC,
        ),
        (
            {"approach": "dynamic", "accuracy_criterion": {"tolerable_loss": 0.1}},
            "accuracy_criterion",
            ONLY_STATIC,
        ),
        (
            {"accuracy_criterion": {"higher_is_better": False}},
            "accuracy_criterion.higher_is_better",
            "a higher score is better, always",
        ),
        (
            {"tuning": {"accuracy_criterion": {"relative": 0.1, "absolute": 0.2}}},
            "tuning.accuracy_criterion.relative",
            "absolute counts",
        ),
        (
            {"approach": "auto"},
            "approach",
            "auto is taken as static",
        ),
        (
            {"approach": "dynamic", "calibration_sampling_size": 9},
            "calibration_sampling_size",
            "int8-dynamic reads no rows",
        ),
        (
            {"approach": "weight_only", "calibration_sampling_size": 9},
            "calibration_sampling_size",
            "int4-rtn reads no rows",
        ),
        (
            {"approach": "static", "op_name_dict": {"a": {"weight": {"dtype": "fp16"}}}},
            "op_name_dict.a",
            "fp16 is taken as fp32",
        ),
        (
            {"approach": "dynamic", "op_name_dict": {"a": {"activation": {"dtype": "bf16"}}}},
            "op_name_dict.a",
            "bf16 is taken as fp32",
        ),
        (
            {
                "approach": "static",
                "op_name_dict": {
                    "a": {"activation": {"dtype": "fp32"}, "weight": {"dtype": "int8"}}
                },
            },
            "op_name_dict.a",
            "int8 is taken as fp32",
        ),
        (
            {
                "approach": "static",
                "op_name_dict": {"a": {"weight": {"dtype": "bf16"}}},
                "excluded_precisions": ["bf16"],
            },
            "excluded_precisions",
            "what the file names is in bfloat16, and nothing else",
        ),
        (
            {"quantization": {"model_wise": {"activation": {"algorithm": "percentile"}}}},
            "quantization.model_wise.activation.algorithm",
            "percentile cannot be had; ranges are found by minmax or kl",
        ),
        (
            {
                "quantization": {
                    "approach": "dynamic",
                    "model_wise": {"activation": {"algorithm": "minmax"}},
                }
            },
            "quantization.model_wise.activation.algorithm",
            "ranges of dynamic quantization are those of each call",
        ),
        (
            {"quantization": {"model_wise": {"weight": {"scheme": "asym"}}}},
            "quantization.model_wise.weight.scheme",
            "asym cannot be had; weights are symmetric int8",
        ),
        (
            {"quantization": {"model_wise": {"activation": {"granularity": "per_channel"}}}},
            "quantization.model_wise.activation.granularity",
            "per_channel cannot be had; activations are int8 per tensor",
        ),
        (
            {"quantization": {"model_wise": {"bias": {"dtype": "fp32"}}}},
            "quantization.model_wise.bias",
            OLD,
        ),
        (
            {"approach": "dynamic", "recipes": {"smooth_quant": True}},
            "recipes.smooth_quant",
            "smoothing is for static quantization",
        ),
        (
            {"recipes": {"smooth_quant": True, "smooth_quant_args": {"alpha": "auto"}}},
            "recipes.smooth_quant_args.alpha",
            "auto is taken as 0.5",
        ),
        (
            {"approach": "static", "recipes": {"gptq_args": {"act_order": True}}},
            "recipes.gptq_args",
            "they are for int4-gptq",
        ),
    ],
)
def test_what_is_not_followed_is_named(node: dict[str, Any], key: str, why: str) -> None:
    assert translated(node).unused == {key: why}
