"""SignRound, the algorithm of AutoRound: learn which way each weight is rounded.

Cheng et al., arXiv 2309.05516. Pure functions of tensors. The library of that name, which Neural
Compressor calls, fetches a text corpus from the hub instead of reading the rows it was given
(auto-round 0.16), and knows decoders only.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from core_plugin_intel import grid
from core_plugin_intel.grid import LEVELS, Grid


def quantize(
    weight: Tensor,
    inputs: Tensor,
    group: int,
    *,
    symmetric: bool,
    iterations: int,
    between: Callable[[], None] = lambda: None,
) -> Grid:
    """The rounded weight; no output is further from what it was than after rounding to nearest.

    Equation 3: ``round(W / s + z + V)``, with ``V`` within ±0.5 and the range, in ``s``, shrunk
    by a factor for each group. Both follow the sign of the gradient of the squared error of the
    layer's outputs, in steps that go linearly from ``1 / iterations`` to 0 (algorithm 1). There
    the error is that of a block of layers, and the best iteration is kept; that of one layer is a
    sum over its outputs, so the best is kept for each of them. ``weight`` is
    ``[outputs, inputs]``, ``inputs`` ``[tokens, inputs]``. ``between`` is called before each
    iteration, and may raise.
    """
    outputs, width = weight.shape
    scale, zero = grid.ranges(weight, group, symmetric)
    grouped = weight.reshape(outputs, -1, group)
    alive = grouped != 0  # a weight that is zero stays so: pruning is kept
    gram = inputs.T @ inputs / len(inputs)
    offset = torch.zeros_like(grouped, requires_grad=True)
    shrink = torch.ones_like(scale, requires_grad=True)
    least = torch.full((outputs,), torch.inf)
    best = Grid(torch.zeros((outputs, width), dtype=torch.uint8), scale.clone(), zero)
    for step in range(iterations + 1):
        between()
        with torch.enable_grad():
            steps = scale * shrink
            place = grouped / steps[..., None] + zero[..., None] + offset * alive
            codes = torch.clamp(_round(place), 0, LEVELS - 1)
            rounded = (codes - zero[..., None]) * steps[..., None]
            gap = weight - rounded.reshape(outputs, width)
            errors = ((gap @ gram) * gap).sum(1)
        found = errors.detach()
        better = found < least
        least[better] = found[better]
        best.codes[better] = codes.detach().reshape(outputs, width).to(torch.uint8)[better]
        best.scale[better] = steps.detach()[better]
        if step < iterations:
            towards = torch.autograd.grad(errors.sum(), (offset, shrink))
            rate = (1 - step / iterations) / iterations
            with torch.no_grad():
                offset.sub_(rate * towards[0].sign()).clamp_(-0.5, 0.5)
                shrink.sub_(rate * towards[1].sign()).clamp_(0.5, 1.0)
    return best


def _round(values: Tensor) -> Tensor:
    """Rounded, with the gradient of what was not (straight-through estimator)."""
    return values + (torch.round(values) - values).detach()
