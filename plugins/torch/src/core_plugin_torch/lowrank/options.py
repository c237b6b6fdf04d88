"""Options of the rows that factorize linear layers."""

from __future__ import annotations

from pydantic import Field

from core_plugin_torch.described import Described


class LowRankOptions(Described):
    """Options of ``low-rank``."""

    keep: float | None = Field(default=None, gt=0, lt=1)
    """Share of each layer's parameters that its factors may have: 0.5 where neither ``energy``
    nor ``rank`` is given."""
    energy: float | None = Field(default=None, gt=0, le=1)
    """Share of each layer's energy, the sum of its squared singular values, that is kept; layers
    that this does not make smaller stay as they are."""
    rank: int | None = Field(default=None, ge=1)
    """Of every layer; those that this does not make smaller stay as they are."""
    include: tuple[str, ...] = ()
    """Linear layers to factorize instead of those of the repeated blocks: names as torch has
    them, or shell patterns (``*.attention.*``) for them or for what they lie in."""
    exclude: tuple[str, ...] = ()
    """Layers to leave as they are, by name or pattern."""


class LowRankDataOptions(LowRankOptions):
    """Options of ``low-rank-data``."""

    energy: float | None = Field(default=None, gt=0, le=1)
    """Share of the energy of each layer's answers to the rows that is kept; layers that this does
    not make smaller stay as they are."""
    rows: int = Field(default=128, ge=1)
    """Calibration rows to read at most."""
