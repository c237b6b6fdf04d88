"""Operators in files of version 2: how all are rounded, and which are set apart."""

from __future__ import annotations

import re
from typing import Final

from core_plugin_intel.config import weights
from core_plugin_intel.config.defaults import VERSION_2
from core_plugin_intel.config.section import MEND, Section, shown, stop
from core_plugin_intel.config.translation import FLOAT, STATIC, Translation

_ALGORITHMS: Final = {
    "RTN": weights.RTN,
    "GPTQ": "int4-gptq",
    "AWQ": "int4-awq",
    "AUTOROUND": "int4-autoround",
}


def by_type(section: Section, made: Translation) -> None:
    """``op_type_dict``: linear layers are those that have settings here."""
    for name in section:
        settings, where = section.child(name), section.where(name)
        if not _is_linear(name, where):
            made.leave(where, "of types, only Linear has settings; name layers in float_layers")
        elif _kinds(settings, made) & FLOAT:
            raise stop(
                where,
                "no linear layer is left to quantize",
                "Name the layers in float_layers, or use the capability bf16 for all of them.",
            )
        else:
            everywhere(settings, made)


def by_name(section: Section, made: Translation) -> None:
    """``op_name_dict``, whose names are regular expressions: those in floating point are left."""
    for name in section:
        settings, where = section.child(name), section.where(name)
        kinds = _kinds(settings, made)
        if kinds & FLOAT:
            made.set_apart(name, kinds, where)
        else:
            made.leave(where, "operators can be left in floating point, and not be set apart")


def everywhere(section: Section, made: Translation) -> None:
    """Settings that all linear layers have: ``weight`` and ``activation``."""
    made.rest(section, {"weight", "activation"}, VERSION_2)
    if weights.is_weights(made):
        _few_bits(section.child("weight"), made)
    else:
        _tensors(section, made)


def _tensors(section: Section, made: Translation) -> None:
    """``weight`` and ``activation`` of int8: granularity, scheme, dtype, algorithm."""
    weight = section.child("weight")
    for key in weight:
        value, where = weight.value(key), weight.where(key)
        match key, value:
            case "granularity", "per_channel" | "per_tensor":
                made.take("w_granularity", value, where)
            case ("scheme", "sym") | ("dtype", "int8") | ("algorithm", "minmax") | ("bit", 7):
                pass  # as it is here
            case _ if value is not None:
                made.leave(where, f"{shown(value)} cannot be had; weights are symmetric int8")
    activation = section.child("activation")
    for key in activation:
        _activation(key, activation, made)


def _activation(key: str, section: Section, made: Translation) -> None:
    value, where = section.value(key), section.where(key)
    static = made.capability == STATIC
    match key, value:
        case _, None:
            pass
        case "dtype", "uint8" | "int8":
            made.take("act_dtype", value, where)
        case "scheme", "sym" | "asym" if static:
            made.take("act_sym", value == "sym", where)
        case "algorithm", "minmax" | "kl" if static:
            made.take("act_algo", value, where)
        case ("granularity", "per_tensor") | ("scheme", "asym"):
            pass
        case "quant_mode", "static" | "dynamic" if static == (value == "static"):
            pass
        case "compute_dtype", "uint8" if static:
            pass  # of dynamic quantization, and written into every file
        case "algorithm", _ if static:
            made.leave(where, f"{shown(value)} cannot be had; ranges are found by minmax or kl")
        case "algorithm" | "compute_dtype", _ if not static:
            made.leave(where, "ranges of dynamic quantization are those of each call")
        case _:
            made.leave(where, f"{shown(value)} cannot be had; activations are int8 per tensor")


def _few_bits(section: Section, made: Translation) -> None:
    """Weights alone: bits, group_size, scheme, algorithm."""
    for option in ("group_size", "use_sym"):
        made.options.pop(option, None)  # of a type before, and maybe of another row
    name = section.word("algorithm") or "RTN"
    row = _ALGORITHMS.get(name.upper())
    if row is None:
        raise stop(
            section.where("algorithm"),
            f"{shown(name)} is none of {', '.join(_ALGORITHMS)}",
            "Use one of them.",
        )
    made.capability = row
    weights.bits(section, made)
    weights.group_size(section, made)
    scheme = section.word("scheme")
    if scheme in ("sym", "asym"):
        weights.symmetric(scheme == "sym", section.where("scheme"), made)
    elif scheme is not None:
        made.leave(section.where("scheme"), f"{shown(scheme)} is neither sym nor asym")
    dtype = section.word("dtype")
    if dtype not in (None, "int", "int4", "int8"):
        made.leave(section.where("dtype"), f"{shown(dtype)} cannot be had; codes are integers")
    made.rest(section, {"algorithm", "bits", "group_size", "scheme", "dtype"}, VERSION_2)


def _kinds(settings: Section, made: Translation) -> set[str]:
    """Types of its tensors, as far as they count in the row."""
    parts = ("weight",) if weights.is_weights(made) else ("weight", "activation")
    return {word for part in parts if (word := settings.child(part).word("dtype")) is not None}


def _is_linear(pattern: str, where: str) -> bool:
    try:
        return pattern.lower() == "linear" or re.fullmatch(pattern, "Linear") is not None
    except (re.error, OverflowError, RecursionError) as error:
        raise stop(where, f"it is no regular expression: {error}", MEND) from error
