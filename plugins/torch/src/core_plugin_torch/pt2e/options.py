"""Options of the rows that quantize a program to int8."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from core_plugin_torch.described import Described


class _Int8Options(Described):
    weights: Literal["per-channel", "per-tensor"] = "per-channel"
    """A scale for each output of a layer, or one for all of them."""
    exclude: tuple[str, ...] = ()
    """Layers to leave in floating point: names as torch has them, or shell patterns
    (``*.attention.*``) for them or for what they lie in."""


class StaticOptions(_Int8Options):
    """Options of ``int8-static``."""

    observer: Literal["histogram", "minmax", "moving-average"] = "histogram"
    """How ranges of activations come from rows: the range of least error, from the smallest
    number to the largest, or the mean of the rows' own ranges, the later the heavier."""
    activations: Literal["asymmetric", "symmetric"] = "asymmetric"
    """``symmetric``: ranges from -x to x, so that the zero point is that of every layer."""
    reduce_range: Literal["auto", "on", "off"] = "auto"
    """Half the range for activations, so that 16-bit sums do not saturate. ``auto``: on where the
    target has no int8 dot product (VNNI)."""
    subset_size: int = Field(default=100, ge=1)
    """Calibration rows to read at most."""


class DynamicOptions(_Int8Options):
    """Options of ``int8-dynamic``."""
