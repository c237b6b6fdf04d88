"""SparseGPT: zeros in one layer, and the other weights moved to make up for them.

Frantar and Alistarh, arXiv 2301.00774: the layer-wise problem is section 3.1, the one Hessian for
all rows and its inverse by Cholesky 3.2 and 3.3, the choice of the mask 3.4, N:M 3.5, and all of it
together algorithm 1. Blocks of ``R × C`` are chosen as single weights are, by the sum of their
scores.
"""

from __future__ import annotations

import torch
from torch import Tensor

from core_plugin_torch.sparsity.patterns import NofM, Pattern

WINDOW = 128
"""Columns whose mask is chosen together, B and B_s of the paper."""
DAMPING = 0.01
"""What is added to the Hessian's diagonal, of its mean."""
ATTEMPTS = 6
"""With ten times the damping each: rounding may leave a Hessian that is not positive."""


def sparsegpt(
    weight: Tensor,
    gram: Tensor,
    pattern: Pattern,
    share: float,
    *,
    window: int = WINDOW,
    damping: float = DAMPING,
) -> Tensor:
    """``weight`` ``[outputs, inputs]`` with zeros in ``pattern``, near the same on its inputs.

    ``gram`` is ``X Xᵀ`` ``[inputs, inputs]`` over calibration tokens. An input that no token had
    is neither used to make up for others nor moved, and its weights go first.

    Raises `ValueError` for a Hessian that is not positive definite however it is damped.
    """
    weight = weight.float().clone()
    factor = inverse_factor(gram, damping)
    seen = gram.diagonal() > 0
    width = max(window // pattern.columns, 1) * pattern.columns
    for begin in range(0, weight.shape[1], width):
        end = min(begin + width, weight.shape[1])
        columns = weight[:, begin:end]  # a view: what is done to it is done to the weight
        inner = factor[begin:end, begin:end]
        diagonal = inner.diagonal()
        used = seen[begin:end]
        # N:M is chosen as late as can be, when the columns before have moved the others (3.5).
        step = pattern.size if isinstance(pattern, NofM) else end - begin
        keep = torch.ones_like(columns, dtype=torch.bool)
        errors = torch.zeros_like(columns)
        for place in range(end - begin):
            if place % step == 0:
                near = slice(place, place + step)
                found = _scores(columns[:, near], diagonal[near], used[near])
                keep[:, near] = pattern.mask(found, share)
            kept = torch.where(keep[:, place], columns[:, place], 0)
            errors[:, place] = (columns[:, place] - kept) / diagonal[place]
            columns[:, place] = kept
            columns[:, place + 1 :] -= torch.outer(errors[:, place], inner[place, place + 1 :])
        weight[:, end:] -= errors @ factor[begin:end, end:]
    return weight


def scores(weight: Tensor, gram: Tensor, damping: float = DAMPING) -> Tensor:
    """What the loss grows by for each weight that goes first: ``w² / [H⁻¹]_cc`` (section 3.4)."""
    return _scores(weight, inverse_factor(gram, damping).diagonal(), gram.diagonal() > 0)


def _scores(columns: Tensor, diagonal: Tensor, seen: Tensor) -> Tensor:
    return (columns / diagonal).square() * seen


def inverse_factor(gram: Tensor, damping: float = DAMPING) -> Tensor:
    """The upper Cholesky factor of ``H⁻¹``, ``H`` being ``gram`` with its diagonal damped.

    Row ``c`` of it, over its diagonal, is what weight ``c`` is made up for by, once the columns
    before ``c`` are settled (section 3.3).
    """
    hessian = gram.float().clone()
    diagonal = hessian.diagonal()
    seen = diagonal > 0
    mean = float(diagonal[seen].mean()) if bool(seen.any()) else 1.0
    undamped = torch.where(seen, diagonal, mean)
    for _ in range(ATTEMPTS):
        diagonal.copy_(undamped + damping * mean)
        lower, failed = torch.linalg.cholesky_ex(hessian)
        if not failed:
            inverse = torch.cholesky_inverse(lower)
            del lower  # a wide layer's matrices are what this takes its memory for
            upper, failed = torch.linalg.cholesky_ex(inverse, upper=True)
            if not failed and bool(upper.isfinite().all()):
                return upper
        damping = 10 * damping if damping > 0 else DAMPING
    raise ValueError("the inputs' Hessian is not positive definite")
