"""Configurations of Neural Compressor 3: algorithms with ``global`` and ``local`` settings."""

from __future__ import annotations

from typing import Final

from core_plugin_intel.config import weights
from core_plugin_intel.config.defaults import VERSION_3, is_usual
from core_plugin_intel.config.section import Node, Section, shown, stop
from core_plugin_intel.config.translation import DYNAMIC, FLOAT, HALF, STATIC, Translation
from core_plugin_intel.layers import INSIDE

ALGORITHMS: Final[dict[str, str]] = {
    "static_quant": STATIC,
    "pt2e_dynamic_quant": DYNAMIC,
    "smooth_quant": STATIC,
    "rtn": weights.RTN,
    "gptq": "int4-gptq",
    "awq": "int4-awq",
    "hqq": "int4-hqq",
    "autoround": "int4-autoround",
    "mixed_precision": HALF,
    "teq": "",
    "fp8_quant": "",
    "mx_quant": "",
    "hybrid_gptq": "",
}
"""The row that does it, by the name of the algorithm; empty where there is none."""

_SAME: Final[dict[str, frozenset[str]]] = {
    "static_quant": frozenset({"w_granularity", "act_algo", "act_dtype", "act_sym"}),
    "pt2e_dynamic_quant": frozenset({"w_granularity", "act_dtype"}),
    "smooth_quant": frozenset({"w_granularity", "act_algo", "act_dtype", "act_sym"}),
    "rtn": frozenset({"use_mse_search"}),
    "gptq": frozenset({"act_order"}),
    "autoround": frozenset({"iters"}),
}
"""Settings that have the same name here."""

_WEIGHTS: Final = frozenset({"bits", "group_size", "use_sym"})
_WRITTEN: Final = frozenset({"params_list", "non_tunable_params", "_is_initialized"})
"""What a saved one keeps of its class."""


def translate(node: Node) -> Translation:
    """Translate one algorithm. Raises `UserError` for several, and for those there are not."""
    names = [name for name in ALGORITHMS if name in node]
    if len(names) > 1:
        raise stop(" and ".join(names), "one step does one of them", "Keep one, or write a recipe.")
    name = names[0]
    made = Translation(capability=ALGORITHMS[name])
    if not made.capability:
        raise stop(name, "there is no such capability for CPUs", "Use int8-static or int4-gptq.")
    section = Section(node).child(name)
    divided = "global" in section or "local" in section
    settings = section.child("global") if divided else section
    _settings(settings, name, made)
    if divided:
        _local(section.child("local"), made)
        made.rest(section, {"global", "local"}, VERSION_3, "it is neither global nor local")
    for key in node:
        if key != name:
            made.leave(key, "it is no algorithm of version 3")
    return made


def _settings(settings: Section, name: str, made: Translation) -> None:
    known = set(_WRITTEN)
    if made.capability == HALF:
        _precision(settings, made)
        known.add("dtype")
    if name == "smooth_quant":
        # The library's own is broken since 3.7.
        made.smooth(settings)
        known.add("alpha")
    if weights.is_weights(made):
        weights.bits(settings, made)
        weights.group_size(settings, made)
        weights.symmetric(settings.flag("use_sym"), settings.where("use_sym"), made)
        known |= _WEIGHTS
    for key, value in settings.node.items():
        where = settings.where(key)
        if key in known:
            continue
        if key == "white_list":
            if value != "*":
                made.leave(where, f"{shown(value)} cannot be had; name layers in float_layers")
        elif key in _SAME.get(name, ()) and made.has(key) and not isinstance(value, list):
            made.take(key, value, where)
        elif not is_usual(key, value, VERSION_3):
            made.leave(where, f"{shown(value)} cannot be had here")


def _precision(settings: Section, made: Translation) -> None:
    """``dtype`` of mixed precision, which is float16 where nothing is said."""
    asked, key = settings.words("dtype") or ["fp16"], settings.where("dtype")
    if "bf16" not in asked:
        raise stop(key, f"{shown(asked)} has no bf16", "The row bf16 is for bfloat16.")
    if "fp16" in asked:
        made.leave(key, "fp16 cannot be had beside bf16")


def _local(section: Section, made: Translation) -> None:
    """Modules that are set apart, with all in them: those in floating point are left so."""
    for name in section:
        layer, where = section.child(name), section.where(name)
        words = (layer.word(key) for key in ("dtype", "w_dtype", "act_dtype"))
        kinds = {word for word in words if word is not None}
        if made.capability == HALF and kinds == {"bf16"}:
            continue
        if kinds & FLOAT:
            made.set_apart(f"{name}{INSIDE}", kinds, where)
        else:
            made.leave(where, "layers can be left in floating point, and not set apart")
