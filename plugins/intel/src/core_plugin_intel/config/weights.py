"""Weights alone in few bits: the choices that versions 2 and 3 have in common."""

from __future__ import annotations

from core_plugin_intel.config.section import Section
from core_plugin_intel.config.translation import INT8_WEIGHTS, Translation

RTN = "int4-rtn"
LEAST_GROUP = 8


def is_weights(made: Translation) -> bool:
    """Whether the row rounds weights and nothing else."""
    return made.capability == INT8_WEIGHTS or made.capability.startswith("int4-")


def bits(settings: Section, made: Translation) -> None:
    """``bits``: with 8 it is another row, whatever the algorithm. To be called first."""
    asked, key = settings.number("bits"), settings.where("bits")
    if asked == 8:
        if made.capability != RTN:
            made.leave(key, "weights of 8 bits are rounded to nearest")
        made.capability = INT8_WEIGHTS
    elif asked not in (None, 4):
        made.leave(key, f"weights have 8 bits or 4, not {asked}")


def group_size(settings: Section, made: Translation) -> None:
    """``group_size``, where -1 is all weights of an output."""
    asked, key = settings.number("group_size"), settings.where("group_size")
    if asked is None:
        return
    if made.capability == INT8_WEIGHTS:
        if asked != -1:
            made.leave(key, "weights of 8 bits have a scale for each output")
    elif asked < LEAST_GROUP:
        made.leave(key, f"{asked} cannot be had; it takes {LEAST_GROUP} or more")
    else:
        made.take("group_size", asked, key)


def symmetric(asked: bool | None, key: str, made: Translation) -> None:
    """Codes around zero, or with zero points that follow the weights."""
    if asked is None:
        return
    if made.has("use_sym"):
        made.take("use_sym", asked, key)
    elif asked != (made.capability == INT8_WEIGHTS):
        always = "without" if made.capability == INT8_WEIGHTS else "with"
        made.leave(key, f"{made.capability} rounds {always} zero points")
