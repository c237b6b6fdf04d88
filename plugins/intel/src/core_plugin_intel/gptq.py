"""GPTQ: round one column after another, and let those to come make up for what that changed.

Frantar et al., arXiv 2210.17323: one order of columns for all outputs is step 1 of section 4,
changes that reach the rest window by window step 2, the factor of the inverse Hessian step 3, and
all of it together algorithm 1. The order by activations is that of the authors' code. Pure
functions of tensors. Neural Compressor's own (3.10) fails with it for more than one group, gives
4 bits to layers that were not to have any, and feeds every block what stood beside the hidden
states of the first.
"""

from __future__ import annotations

import torch
from torch import Tensor

from core_plugin_intel import grid
from core_plugin_intel.grid import Grid

WINDOW = 128
"""Columns that are rounded before the others are changed: B of the paper."""
DAMPING = 0.01
"""What is added to the Hessian's diagonal, of its mean (step 3)."""


def quantize(
    weight: Tensor,
    gram: Tensor,
    group: int,
    *,
    symmetric: bool,
    act_order: bool = False,
    window: int = WINDOW,
) -> Grid:
    """The rounded weight, with nearly the outputs that it had.

    ``weight`` is ``[outputs, inputs]``, ``gram`` is ``X Xᵀ`` over the calibration tokens,
    ``[inputs, inputs]``: half the Hessian of the squared error (equation 1). A group of ``group``
    inputs, which divides them, gets its grid when its first column is rounded, from its weights as
    they are by then. With ``act_order`` columns go by the mean square of their inputs, the largest
    first, and grids are those of the given weights; groups are of neighbours all the same. An input
    that no token had is rounded to nearest.
    """
    outputs, inputs = weight.shape
    order = gram.diagonal().argsort(descending=True) if act_order else torch.arange(inputs)
    rest = weight[:, order]
    factor = _factor(gram[order][:, order])
    scale, zero = grid.ranges(weight, group, symmetric)
    codes = torch.empty((outputs, inputs), dtype=torch.uint8)
    width = max(window // group, 1) * group
    for begin in range(0, inputs, width):
        end = min(begin + width, inputs)
        errors = torch.empty((outputs, end - begin))
        for column in range(begin, end):
            place = int(order[column])
            own = slice(place // group, place // group + 1)
            if not act_order and column % group == 0:
                near = rest[:, column : column + group]
                scale[:, own], zero[:, own] = grid.ranges(near, group, symmetric)
            made = grid.nearest(rest[:, column : column + 1], scale[:, own], zero[:, own])
            codes[:, place] = made.codes[:, 0]
            error = (rest[:, column] - made.values()[:, 0]) / factor[column, column]
            rest[:, column + 1 : end] -= torch.outer(error, factor[column, column + 1 : end])
            errors[:, column - begin] = error
        rest[:, end:] -= errors @ factor[begin:end, end:]
    return Grid(codes, scale, zero)


def damped(gram: Tensor) -> Tensor:
    """The Hessian, float64 ``[inputs, inputs]``, positive definite; scaled as ``gram`` is.

    What no token had gets the mean of the others, or 1, and is bound to none of them.
    """
    hessian = gram.to(torch.float64)
    diagonal = hessian.diagonal()
    seen = diagonal > 0
    mean = diagonal[seen].mean() if bool(seen.any()) else torch.ones((), dtype=torch.float64)
    return hessian + torch.diag(torch.where(seen, 0, mean) + DAMPING * mean)


def _factor(gram: Tensor) -> Tensor:
    """The upper Cholesky factor of the inverse Hessian, float32 ``[inputs, inputs]``.

    Row ``c`` over its diagonal is what the columns after ``c`` make up with (step 3).
    """
    inverse = torch.cholesky_inverse(torch.linalg.cholesky(damped(gram)))
    return torch.linalg.cholesky(inverse, upper=True).to(torch.float32)
