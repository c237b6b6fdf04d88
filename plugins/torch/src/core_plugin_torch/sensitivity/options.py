"""Options of ``sensitivity``."""

from __future__ import annotations

from pydantic import Field

from core_plugin_torch.described import Described
from hwcore.contract import TREATMENTS, Treatment


class SensitivityOptions(Described):
    """Options of ``sensitivity``."""

    rows: int = Field(default=64, ge=1)
    """Rows that the model is judged on at most: ``tune`` rows, and ``calibration`` rows where
    there are none, as without labels."""
    treatments: tuple[Treatment, ...] = Field(default=TREATMENTS, min_length=1)
    """What each layer is put through."""
    pattern: str = "unstructured"
    """Of zeros, which the smallest weights become: ``unstructured``, or blocks such as ``1x4``."""
    group_size: int = Field(default=32, ge=1)
    """4 bits: weights of one output that share a scale; where it does not divide a layer's
    inputs, its largest divisor that does."""
    length: int = Field(default=128, ge=1)
    """Tokens of the row that layers are timed on, as far as the model takes so many."""
    include: tuple[str, ...] = ()
    """Layers to look at, by name or shell pattern; empty for all linear layers and
    convolutions."""
    exclude: tuple[str, ...] = ()
    """Layers to pass over, by name or shell pattern, such as ``*.attention.*``."""
