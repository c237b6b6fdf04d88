"""Files of Neural Compressor 3: every key is followed, or named."""

from __future__ import annotations

import inspect
from typing import Any

import pytest
from intel_configs import translated

from core_plugin_intel import libraries
from core_plugin_intel.config import translate
from core_plugin_intel.config.version3 import ALGORITHMS
from core_plugin_intel.layers import INSIDE
from hwcore.contract import UserError


@pytest.mark.parametrize(
    ("node", "capability", "options"),
    [
        (
            {
                "static_quant": {
                    "global": {"act_sym": True, "act_algo": "kl", "w_dtype": "int8"},
                    "local": {"classifier": {"w_dtype": "fp32", "act_dtype": "fp32"}},
                }
            },
            "int8-static",
            {"act_sym": True, "act_algo": "kl", "float_layers": [f"classifier{INSIDE}"]},
        ),
        (
            {"static_quant": {"local": {"bert.pooler": {"w_dtype": ["bf16"]}}}},
            "int8-static",
            {"bf16_layers": [f"bert.pooler{INSIDE}"]},
        ),
        (
            {"gptq": {"bits": 4, "group_size": 64, "act_order": True, "dtype": "int"}},
            "int4-gptq",
            {"group_size": 64, "act_order": True},
        ),
        ({"awq": {"use_sym": True}}, "int4-awq", {"use_sym": True}),
        ({"hqq": {"global": {"group_size": 64}}}, "int4-hqq", {"group_size": 64}),
        ({"autoround": {"iters": 20, "bits": 4}}, "int4-autoround", {"iters": 20}),
        ({"rtn": {"bits": 8, "group_size": -1, "use_sym": True}}, "int8-weights", {}),
        (
            {"smooth_quant": {"global": {"alpha": 0.4, "act_algo": "minmax"}}},
            "int8-static",
            {"act_algo": "minmax", "smooth_alpha": 0.4},
        ),
        ({"smooth_quant": {}}, "int8-static", {"smooth_alpha": 0.5}),
        (
            {"pt2e_dynamic_quant": {"global": {"act_dtype": "int8"}}},
            "int8-dynamic",
            {"act_dtype": "int8"},
        ),
        (
            {
                "mixed_precision": {
                    "global": {"dtype": "bf16"},
                    "local": {"a": {"dtype": "fp32"}, "b": {"dtype": "bf16"}},
                }
            },
            "bf16",
            {"float_layers": [f"a{INSIDE}"]},
        ),
    ],
)
def test_algorithms(node: dict[str, Any], capability: str, options: dict[str, Any]) -> None:
    made = translated(node)
    assert (made.capability, made.options, made.unused) == (capability, options, {})


@pytest.mark.parametrize(
    ("node", "key", "why"),
    [
        ({"static_quant": {"w_sym": False}}, "static_quant.w_sym", "False cannot be had here"),
        (
            {"static_quant": {"global": {"white_list": ["Linear"]}}},
            "static_quant.global.white_list",
            "['Linear'] cannot be had; name layers in float_layers",
        ),
        (
            {"gptq": {"white_list": None}},
            "gptq.white_list",
            "None cannot be had; name layers in float_layers",
        ),
        (
            {"static_quant": {"act_sym": [True, False]}},
            "static_quant.act_sym",
            "[True, False] cannot be had here",
        ),
        ({"static_quant": {"novel": 0}}, "static_quant.novel", "0 cannot be had here"),
        (
            {"pt2e_dynamic_quant": {"act_sym": True}},
            "pt2e_dynamic_quant.act_sym",
            "True cannot be had here",
        ),
        (
            {"pt2e_dynamic_quant": {"local": {"a": {"w_dtype": "bf16"}}}},
            "pt2e_dynamic_quant.local.a",
            "bf16 is taken as fp32",
        ),
        (
            {"static_quant": {"local": {"a": {"w_dtype": "fp16", "act_dtype": "fp16"}}}},
            "static_quant.local.a",
            "fp16 is taken as fp32",
        ),
        (
            {"static_quant": {"local": {"a": {"act_algo": "kl"}}}},
            "static_quant.local.a",
            "layers can be left in floating point, and not set apart",
        ),
        (
            {"static_quant": {"local": {}, "act_sym": True}},
            "static_quant.act_sym",
            "it is neither global nor local",
        ),
        ({"static_quant": {}, "extra": 1}, "extra", "it is no algorithm of version 3"),
        (
            {"mixed_precision": {"dtype": ["fp16", "bf16"]}},
            "mixed_precision.dtype",
            "fp16 cannot be had beside bf16",
        ),
        ({"rtn": {"bits": 3}}, "rtn.bits", "weights have 8 bits or 4, not 3"),
        ({"rtn": {"dtype": "nf4"}}, "rtn.dtype", "nf4 cannot be had here"),
        ({"rtn": {"group_size": -1}}, "rtn.group_size", "-1 cannot be had; it takes 8 or more"),
        ({"awq": {"bits": 8}}, "awq.bits", "weights of 8 bits are rounded to nearest"),
        ({"hqq": {"use_sym": True}}, "hqq.use_sym", "int4-hqq rounds with zero points"),
        ({"smooth_quant": {"alpha": "auto"}}, "smooth_quant.alpha", "auto is taken as 0.5"),
    ],
)
def test_what_is_not_followed_is_named(node: dict[str, Any], key: str, why: str) -> None:
    assert translated(node).unused == {key: why}


@pytest.mark.parametrize(
    ("node", "reason", "hint"),
    [
        ({"fp8_quant": {}}, "no such capability for CPUs", "int8-static"),
        ({"rtn": {}, "awq": {}}, "rtn and awq .* one step does one", "Keep one"),
        ({"mixed_precision": {}}, r"mixed_precision.dtype .*\['fp16'\] has no bf16", "bfloat16"),
        ({"flavour": 1}, "the keys flavour are of no configuration", "static_quant"),
        (["quantization"], "is no mapping of names", "YAML"),
        ({1: 2}, "is no mapping of names", "YAML"),
    ],
)
def test_other_jobs_are_refused(node: Any, reason: str, hint: str) -> None:
    with pytest.raises(UserError, match=reason) as caught:
        translate(node)
    assert hint in str(caught.value.hint)


def test_what_the_library_does_by_default_is_passed_over() -> None:
    """All its settings with their defaults, as it writes them into a file."""
    with libraries.silent():
        from neural_compressor.common.base_config import config_registry

        found = config_registry.get_all_configs()["torch"]
    for name, row in ALGORITHMS.items():
        if not row or name == "mixed_precision":
            continue
        parameters = inspect.signature(found[name]["cls"].__init__).parameters.values()
        settings = {
            p.name: list(p.default) if isinstance(p.default, tuple) else p.default
            for p in parameters
            if p.default is not p.empty
        }
        assert translated({name: settings}).unused == {}, name
