"""The importance of heads, channels and filters, each as one unit; and which of them go."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from core_plugin_torch.sparsity.patterns import lowest

Norm = Callable[[Tensor], Tensor]
"""Of elements, so that a unit's is the sum over it: `l1` or `l2` of ``importance``."""


def units(rows: Sequence[Tensor], columns: Tensor, width: int, norm: Norm) -> Tensor:
    """The norm of each unit's weights: ``[units]``, of ``width`` neighbours each.

    ``rows`` are matrices ``[units × width, …]`` that lead to the units, ``columns`` the matrix
    ``[…, units × width]`` that leads on (filter norms, Li et al., arXiv 1608.08710, section 3.1,
    taken over everything that goes with the unit).
    """
    sums = norm(columns).sum(dim=0)
    for matrix in rows:
        sums = sums + norm(matrix).sum(dim=1)
    return sums.reshape(-1, width).sum(dim=1)


def contributions(columns: Tensor, norms: Tensor, width: int) -> Tensor:
    """What each unit adds to the output at most: ``Σ_j ‖W_:j‖₂ · ‖x_j‖₂`` over its inputs.

    ``columns`` ``[outputs, units × width]``, ``norms`` ``[units × width]`` of its inputs over all
    tokens; Wanda's score (arXiv 2306.11695, equation 1) of whole columns.
    """
    return (columns.norm(dim=0) * norms).reshape(-1, width).sum(dim=1)


def filters(weight: Tensor, norm: Norm) -> Tensor:
    """The norm of each filter of a convolution ``[filters, channels, …]``: ``[filters]``."""
    return norm(weight).flatten(1).sum(dim=1)


def input_channels(weight: Tensor, norm: Norm) -> Tensor:
    """The norm of what a convolution makes of each of its input channels: ``[channels]``."""
    return norm(weight).transpose(0, 1).flatten(1).sum(dim=1)


def kept(importance: Tensor, share: float) -> Tensor:
    """Ascending places of the units that stay: all but ``round(share × units)``, at least one."""
    count = min(round(share * len(importance)), len(importance) - 1)
    return torch.nonzero(~lowest(importance.reshape(1, -1), count)[0]).flatten()


def spread_out(places: Tensor, width: int) -> Tensor:
    """The places of the elements of units, of ``width`` neighbours each."""
    return (places.reshape(-1, 1) * width + torch.arange(width)).flatten()


def stacked(places: Tensor, size: int, parts: int) -> Tensor:
    """The same places in each of ``parts`` matrices of ``size`` rows that are one."""
    return (torch.arange(parts).reshape(-1, 1) * size + places).flatten()
