"""Configurations of Neural Compressor 3: algorithms with ``global`` and ``local`` settings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from core_plugin_intel.config.translation import DYNAMIC, STATIC, Node, Translation, child

ALGORITHMS: Final[dict[str, str]] = {
    "static_quant": STATIC,
    "pt2e_dynamic_quant": DYNAMIC,
    "smooth_quant": STATIC,
    "rtn": "int4-rtn",
    "gptq": "int4-gptq",
    "awq": "int4-awq",
    "hqq": "int4-hqq",
    "autoround": "int4-autoround",
    "mixed_precision": "bf16",
    "teq": "",
    "fp8_quant": "",
    "mx_quant": "",
    "hybrid_gptq": "",
}
"""The row that does it, by the name of the algorithm; empty where there is none."""

_SAME: Final[dict[str, frozenset[str]]] = {
    STATIC: frozenset({"w_granularity", "act_algo", "act_dtype", "act_sym"}),
    DYNAMIC: frozenset({"w_granularity", "act_dtype"}),
    "int4-rtn": frozenset({"group_size", "use_sym", "use_mse_search"}),
    "int4-gptq": frozenset({"group_size", "act_order"}),
    "int4-awq": frozenset({"group_size", "use_sym"}),
    "int4-hqq": frozenset({"group_size"}),
    "int4-autoround": frozenset({"group_size", "use_sym", "iters"}),
    "bf16": frozenset(),
}
"""Settings that have the same name here."""

_AS_IT_IS: Final[dict[str, tuple[Any, ...]]] = {
    "w_dtype": ("int8",),
    "w_sym": (True,),
    "w_algo": ("minmax",),
    "act_granularity": ("per_tensor",),
    "bits": (4,),
    "dtype": ("int", "int4", "bf16"),
    "use_auto_scale": (True,),
    "use_auto_clip": (True,),
    "use_layer_wise": (True, False),
    "nsamples": (128,),
}
"""Settings that cannot be chosen here, with the values that they have."""


def translate(node: Node) -> Translation:
    """Translate one algorithm. Raises `UserError` for several, and for those there are not."""
    names = [name for name in ALGORITHMS if name in node]
    made = Translation(capability=ALGORITHMS[names[0]])
    if len(names) > 1:
        raise made.stop(
            " and ".join(names), "one step does one of them", "Keep one, or write a recipe."
        )
    name = names[0]
    if not made.capability:
        raise made.stop(
            name, "there is no such capability for CPUs", "Use int8-static or int4-gptq."
        )
    section = child(node, name)
    settings = child(section, "global") if "global" in section or "local" in section else section
    _settings(settings, f"{name}.global", made)
    if name == "smooth_quant":
        _smooth(settings, made)
    _local(child(section, "local"), f"{name}.local", made)
    for key in node:
        if key != name:
            made.leave(key, "it is no algorithm of version 3")
    return made


def _settings(settings: Node, path: str, made: Translation) -> None:
    for key, value in settings.items():
        if key in _SAME[made.capability] and not isinstance(value, list):
            made.options[key] = value
        elif value in (None, "", [], {}, False) or value in _AS_IT_IS.get(key, ()):
            continue
        elif key not in ("alpha", "white_list"):
            made.leave(f"{path}.{key}", f"{value} cannot be had here")


def _smooth(settings: Node, made: Translation) -> None:
    """Its static quantization after smoothing; the library's own is broken since 3.7."""
    alpha = settings.get("alpha", 0.5)
    numeric = isinstance(alpha, int | float)
    made.options["smooth_alpha"] = float(alpha) if numeric else 0.5
    if not numeric:
        made.leave("smooth_quant.global.alpha", f"{alpha} is taken as 0.5")


def _local(section: Node, path: str, made: Translation) -> None:
    """Layers that are set apart: those in floating point become lists of layers."""
    for name, settings in section.items():
        values = settings if isinstance(settings, Mapping) else {}
        dtypes = {values.get(key) for key in ("dtype", "w_dtype", "act_dtype")}
        if "bf16" in dtypes and made.capability == STATIC:
            made.options.setdefault("bf16_layers", []).append(name)  # type: ignore[union-attr]
        elif dtypes & {"fp32", "bf16", "fp16"}:
            made.options.setdefault("float_layers", []).append(name)  # type: ignore[union-attr]
        else:
            made.leave(f"{path}.{name}", "layers can be left in floating point, and not set apart")
