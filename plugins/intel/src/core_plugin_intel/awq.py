"""AWQ: scale up the input channels that matter before rounding, so that they lose less.

Lin et al., arXiv 2306.00978. Pure functions of tensors. Neural Compressor's own is worse than
rounding to nearest on encoders (3.10): its search for scales rounds to other bits and groups than
were asked for, as it hands them over under names that the rounding ignores.
"""

from __future__ import annotations

import torch
from torch import Tensor

from core_plugin_intel import grid
from core_plugin_intel.grid import Grid

EXPONENTS = tuple(step / 20 for step in range(20))
"""Of the magnitudes of activations: 0 leaves the weights as they are (section 3.2)."""
SHRINKS = (1.0, 0.95, 0.9, 0.85, 0.8, 0.75, 0.7)
"""Of the range of weights; what lies beyond is cut off."""


def quantize(weight: Tensor, inputs: Tensor, group: int, *, symmetric: bool) -> tuple[Grid, Tensor]:
    """The rounded weight, and what its inputs are to be multiplied with, float32 ``[inputs]``.

    ``weight`` is ``[outputs, inputs]``, ``inputs`` are samples ``[tokens, inputs]``. Of the
    exponents the one is taken with which the outputs are nearest to what they were (equation 4),
    then ranges are cut for each output alike.
    """
    magnitude = inputs.abs().mean(0)
    tried = [_scales(magnitude, exponent) for exponent in EXPONENTS]
    errors = [_error(weight, _rounded(weight, s, group, symmetric), inputs).sum() for s in tried]
    scale = tried[int(torch.stack(errors).argmin())]
    return _clipped(weight * scale, inputs / scale, group, symmetric), scale.reciprocal()


def _scales(magnitude: Tensor, exponent: float) -> Tensor:
    """Of each input channel, around 1; channels that are never used count as the least used."""
    used = magnitude[magnitude > 0]
    if not used.numel():
        return torch.ones_like(magnitude)
    scale = magnitude.clamp(min=float(used.min())) ** exponent
    return scale / torch.sqrt(scale.max() * scale.min())


def _rounded(weight: Tensor, scale: Tensor, group: int, symmetric: bool) -> Tensor:
    scaled = weight * scale
    return grid.nearest(scaled, *grid.ranges(scaled, group, symmetric)).values() / scale


def _error(weight: Tensor, rounded: Tensor, inputs: Tensor) -> Tensor:
    """Squared error of each output over the samples, ``[outputs]``."""
    return (inputs @ (weight - rounded).T).square().sum(0)


def _clipped(weight: Tensor, inputs: Tensor, group: int, symmetric: bool) -> Grid:
    """Each output gets the share of its range with which it is nearest to what it was."""
    whole, zero = grid.ranges(weight, group, symmetric)
    made = [grid.nearest(weight, whole * shrink, zero) for shrink in SHRINKS]
    errors = torch.stack([_error(weight, g.values(), inputs) for g in made])
    best = errors.argmin(0)
    rows = torch.arange(len(best))
    return Grid(
        codes=torch.stack([g.codes for g in made])[best, rows],
        scale=torch.stack([g.scale for g in made])[best, rows],
        zero=zero,
    )
