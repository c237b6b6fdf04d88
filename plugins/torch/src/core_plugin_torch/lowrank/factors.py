"""The best product of two thin matrices for one matrix, and how thin they may be.

A weight ``W`` is outputs × inputs, ``m × n``; of rank ``r`` it is ``outer @ inner``, of
``m × r`` and ``r × n``. Truncating the singular value decomposition leaves the least squared
error that a rank allows: the sum of the squares of the singular values that are cut off (Eckart
and Young, Psychometrika 1, 1936). What is left of their sum is the *energy* that is kept.

For inputs ``X`` with Gram matrix ``XᵀX = S Sᵀ`` the error that counts is ``‖X (W − W')ᵀ‖ =
‖(W − W') S‖``: so ``W S`` is decomposed, and ``inner`` multiplied with ``S⁻¹`` (SVD-LLM, arXiv
2403.07378, section 3.1, where ``S`` is the Cholesky factor as here).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

DAMPING = 0.01
"""Of the mean of the Gram matrix's diagonal, added to it: rows that are few do not span all
inputs, and what they do not tell of is to be kept all the same."""


@dataclass(frozen=True, eq=False)
class Factors:
    """A matrix of rank ``r`` near another one."""

    outer: Tensor
    """``[outputs, r]``."""
    inner: Tensor
    """``[r, inputs]``."""
    energy: float
    """Share of the energy that is kept, in [0, 1]."""

    @property
    def rank(self) -> int:
        return len(self.inner)

    @property
    def parameters(self) -> int:
        """Numbers in both factors."""
        return int(self.outer.numel() + self.inner.numel())

    def product(self) -> Tensor:
        """``[outputs, inputs]``."""
        return self.outer @ self.inner


@dataclass(frozen=True, eq=False)
class Decomposition:
    """A matrix's singular values and vectors, those of what its inputs make of it where known."""

    left: Tensor
    """``[outputs, k]``, with ``k = min(outputs, inputs)``."""
    values: Tensor
    """``[k]``, falling."""
    right: Tensor
    """``[k, inputs]``, without the inputs' scale."""

    @property
    def energies(self) -> Tensor:
        """Share of the energy that each rank from 1 on keeps, ``[k]``, float64."""
        squares = self.values.double().square().cumsum(0)
        return squares / squares[-1] if squares[-1] > 0 else torch.ones_like(squares)

    def truncated(self, rank: int) -> Factors:
        """The best of this rank. The values' roots go to both factors, so that both are alike."""
        roots = self.values[:rank].sqrt()
        return Factors(
            outer=self.left[:, :rank] * roots,
            inner=roots[:, None] * self.right[:rank],
            energy=float(self.energies[rank - 1]),
        )


def decompose(weight: Tensor, gram: Tensor | None = None) -> Decomposition:
    """The singular value decomposition of ``weight``, ``[outputs, inputs]``, finite.

    With ``gram``, ``XᵀX`` over the inputs, ``[inputs, inputs]``: of what they make of it.
    """
    if gram is None:
        return Decomposition(*torch.linalg.svd(weight, full_matrices=False))
    factor = _root(gram)
    left, values, right = torch.linalg.svd(weight.double() @ factor, full_matrices=False)
    right = torch.linalg.solve_triangular(factor, right, upper=False, left=False)
    return Decomposition(*(found.to(weight.dtype) for found in (left, values, right)))


def rank_of_energy(energies: Tensor, energy: float) -> int:
    """The least rank that keeps a share of the energy; ``energies`` as `Decomposition` has."""
    # Sums of squares round: all of the energy is there before the last of many tiny values.
    return int(torch.searchsorted(energies, energy * (1 - 1e-12))) + 1


def rank_of_share(outputs: int, inputs: int, share: float) -> int:
    """The largest rank whose factors have at most this share of the matrix's parameters; 1 at
    least."""
    return max(1, int(share * outputs * inputs / (outputs + inputs)))


def saves(outputs: int, inputs: int, rank: int) -> bool:
    """Whether factors of this rank have fewer numbers than the matrix."""
    return rank * (outputs + inputs) < outputs * inputs


def _root(gram: Tensor) -> Tensor:
    """``S``, lower triangular, of ``S Sᵀ = gram`` with damping; float64."""
    wide = gram.to(torch.float64, copy=True)
    diagonal = wide.diagonal()  # a view: of matrices that large there should be few
    mean = float(diagonal.mean())
    diagonal += DAMPING * mean if mean > 0 else 1.0
    return torch.linalg.cholesky(wide)
