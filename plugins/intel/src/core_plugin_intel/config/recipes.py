"""Recipes in files of version 2: smoothing, and arguments of the algorithms for few bits."""

from __future__ import annotations

from typing import Final

from core_plugin_intel.config import weights
from core_plugin_intel.config.defaults import VERSION_2
from core_plugin_intel.config.section import Section
from core_plugin_intel.config.translation import STATIC, Translation

_ARGUMENTS: Final[dict[str, tuple[str, dict[str, str]]]] = {
    "rtn_args": (weights.RTN, {"enable_mse_search": "use_mse_search"}),
    "gptq_args": ("int4-gptq", {"act_order": "act_order"}),
    "awq_args": ("int4-awq", {}),
    "autoround_args": ("int4-autoround", {"iters": "iters"}),
}
"""The row they are for, and the options that some of them are."""

_ENDS: Final = (
    "first_conv_or_matmul_quantization",
    "last_conv_or_matmul_quantization",
    "pre_post_process_quantization",
)


def recipes(section: Section, made: Translation) -> None:
    """Translate ``recipes``. To be called when the row is known."""
    smoothed, settings = section.flag("smooth_quant"), section.child("smooth_quant_args")
    if smoothed and made.capability == STATIC:
        made.smooth(settings)
        made.rest(settings, {"alpha"}, VERSION_2)
    elif smoothed:
        made.leave(section.where("smooth_quant"), "smoothing is for static quantization")
    for key in _ARGUMENTS:
        _arguments(section.child(key), key, made)
    for key in _ENDS:
        if section.flag(key) is False:
            made.leave(section.where(key), "name the layers to leave in float_layers")
    made.rest(section, {"smooth_quant", "smooth_quant_args", *_ARGUMENTS, *_ENDS}, VERSION_2)


def _arguments(section: Section, key: str, made: Translation) -> None:
    row, options = _ARGUMENTS[key]
    if made.capability != row:
        if section:
            made.leave(section.path, f"they are for {row}")
        return
    for name, option in options.items():
        if section.node.get(name) is not None:
            made.take(option, section.node[name], section.where(name))
    made.rest(section, options, VERSION_2)
