"""Files of version 2 that round weights alone: which row they ask for, and with what."""

from __future__ import annotations

from typing import Any

import pytest
from intel_configs import OLD, translated

from core_plugin_intel.config import translate
from hwcore.contract import UserError


def weight_only(**weight: Any) -> dict[str, Any]:
    return {"approach": "weight_only", "op_type_dict": {"Linear": {"weight": weight}}}


@pytest.mark.parametrize(
    ("node", "capability", "options"),
    [
        (
            {
                "approach": "weight_only",
                "calibration_sampling_size": [16],
                "op_type_dict": {
                    ".*": {
                        "weight": {
                            "bits": 4,
                            "group_size": [64],
                            "scheme": ["asym"],
                            "algorithm": ["GPTQ"],
                        },
                        "activation": {"dtype": ["fp32"]},
                    }
                },
                "op_name_dict": {".*lm_head": {"weight": {"dtype": ["fp32"]}}},
                "recipes": {"gptq_args": {"act_order": True, "percdamp": 0.01}},
            },
            "int4-gptq",
            {
                "group_size": 64,
                "use_sym": False,
                "float_layers": [".*lm_head"],
                "calibration_sampling_size": 16,
                "act_order": True,
            },
        ),
        (
            {
                "approach": "weight_only",
                "op_type_dict": {"Linear": {"weight": {"algorithm": "RTN", "scheme": "sym"}}},
                "recipes": {"rtn_args": {"enable_mse_search": False}},
            },
            "int4-rtn",
            {"use_sym": True, "use_mse_search": False},
        ),
        (
            {
                "approach": "weight_only",
                "op_type_dict": {"Linear": {"weight": {"algorithm": "autoround"}}},
                "recipes": {"autoround_args": {"iters": 50}},
            },
            "int4-autoround",
            {"iters": 50},
        ),
        (
            {
                "approach": "weight_only",
                "op_type_dict": {
                    "Linear": {"weight": {"bits": 8, "group_size": -1, "scheme": "sym"}}
                },
            },
            "int8-weights",
            {},
        ),
        ({"approach": "weight_only"}, "int4-rtn", {}),
    ],
)
def test_rows(node: dict[str, Any], capability: str, options: dict[str, Any]) -> None:
    made = translated(node)
    assert (made.capability, made.options, made.unused) == (capability, options, {})


@pytest.mark.parametrize(
    ("weight", "key", "why"),
    [
        ({"bits": 3}, "bits", "weights have 8 bits or 4, not 3"),
        ({"bits": 8, "algorithm": "GPTQ"}, "bits", "weights of 8 bits are rounded to nearest"),
        ({"group_size": -1}, "group_size", "-1 cannot be had; it takes 8 or more"),
        (
            {"bits": 8, "group_size": 32},
            "group_size",
            "weights of 8 bits have a scale for each output",
        ),
        ({"bits": 8, "scheme": "asym"}, "scheme", "int8-weights rounds without zero points"),
        ({"scheme": "asym_float"}, "scheme", "asym_float is neither sym nor asym"),
        ({"dtype": "nf4"}, "dtype", "nf4 cannot be had; codes are integers"),
        ({"double_quant_bits": 8}, "double_quant_bits", OLD),
    ],
)
def test_what_weights_cannot_have_is_named(weight: dict[str, Any], key: str, why: str) -> None:
    assert translated(weight_only(**weight)).unused == {f"op_type_dict.Linear.weight.{key}": why}


def test_a_later_type_says_it_all_anew() -> None:
    node = weight_only(bits=8)
    node["op_type_dict"] = {
        ".*": {"weight": {"algorithm": "AWQ", "group_size": 64, "scheme": "sym"}}
    } | node["op_type_dict"]
    made = translated(node)
    assert (made.capability, made.options) == ("int8-weights", {})


def test_an_algorithm_that_is_not_there_is_said() -> None:
    with pytest.raises(UserError, match=r"weight.algorithm .* TEQ is none of RTN, GPTQ") as caught:
        translate(weight_only(algorithm="TEQ"))
    assert caught.value.hint == "Use one of them."
