"""Where zeros may be: anywhere, N of M neighbours, or whole blocks.

A weight is looked at as the matrix ``[outputs, inputs]``; a convolution's has its filters as
rows. Groups, the units that are zero together, are blocks of ``rows × columns``, 1 × 1 where
the pattern is ``unstructured``. ``N:M`` keeps at most N of M neighbours along the inputs (Mishra
et al., arXiv 2104.08378), so the pattern itself says how many zeros there are.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import torch
from torch import Tensor

from hwcore.contract import UserError

UNSTRUCTURED = "unstructured"
STRUCTURED = "structured"
"""The pattern of whole outputs and inputs."""
_NAME = re.compile(r"([1-9]\d{0,3})([:x])([1-9]\d{0,3})")


@dataclass(frozen=True)
class Blocks:
    """Blocks of a matrix, each zero as a whole or not."""

    rows: int = 1
    columns: int = 1

    def __str__(self) -> str:
        single = self.rows == self.columns == 1
        return UNSTRUCTURED if single else f"{self.rows}x{self.columns}"

    @property
    def fixed_share(self) -> None:
        """Of zeros: any will do."""
        return None

    def divides(self, rows: int, columns: int) -> bool:
        """Whether a matrix of that size is made of whole blocks."""
        return rows % self.rows == 0 and columns % self.columns == 0

    def groups(self, scores: Tensor) -> Tensor:
        """The sum of each block's scores: ``[rows / self.rows, columns / self.columns]``."""
        return self._split(scores).sum(dim=(1, 3))

    def mask(self, scores: Tensor, share: float, *, per_row: bool = False) -> Tensor:
        """True where a matrix of these scores is kept; ``round(share × blocks)`` are not.

        The blocks of the smallest sums go, the first ones among equals. With ``per_row`` every
        row of blocks loses as many as any other (Wanda, section 3: outputs are compared alone).
        """
        sums = self.groups(scores)
        lines = sums if per_row else sums.reshape(1, -1)
        dropped = lowest(lines, round(share * lines.shape[1])).reshape(sums.shape)
        dropped = dropped.repeat_interleave(self.rows, 0).repeat_interleave(self.columns, 1)
        return ~dropped

    def followed_by(self, matrix: Tensor) -> bool:
        """Whether every zero stands in a block of zeros."""
        if not self.divides(*matrix.shape):
            return False
        if self.rows == self.columns == 1:
            return True
        filled = self._split(matrix != 0).sum(dim=(1, 3))
        return bool(((filled == 0) | (filled == self.rows * self.columns)).all())

    def _split(self, matrix: Tensor) -> Tensor:
        rows, columns = matrix.shape
        return matrix.reshape(rows // self.rows, self.rows, columns // self.columns, self.columns)


@dataclass(frozen=True)
class NofM:
    """At most ``kept`` of ``size`` neighbours along the inputs are not zero."""

    kept: int
    size: int

    def __str__(self) -> str:
        return f"{self.kept}:{self.size}"

    @property
    def fixed_share(self) -> float:
        """Of zeros."""
        return 1 - self.kept / self.size

    @property
    def columns(self) -> int:
        """How many columns are decided together."""
        return self.size

    def divides(self, rows: int, columns: int) -> bool:
        """Whether a matrix of that size is made of whole groups of neighbours."""
        return columns % self.size == 0

    def groups(self, scores: Tensor) -> Tensor:
        """Scores as they are: an element is a group."""
        return scores

    def mask(self, scores: Tensor, share: float, *, per_row: bool = False) -> Tensor:
        """True for the ``kept`` largest scores of each ``size`` neighbours, whatever ``share``."""
        neighbours = scores.reshape(-1, self.size)
        return ~lowest(neighbours, self.size - self.kept).reshape(scores.shape)

    def followed_by(self, matrix: Tensor) -> bool:
        """Whether no group of neighbours has more than ``kept`` that are not zero."""
        if not self.divides(*matrix.shape):
            return False
        return bool(((matrix.reshape(-1, self.size) != 0).sum(1) <= self.kept).all())


Pattern = Blocks | NofM


def parse(name: str) -> Pattern:
    """``unstructured``, ``N:M`` or ``RxC``. Raises `UserError` for any other."""
    if name == UNSTRUCTURED:
        return Blocks()
    found = _NAME.fullmatch(name)
    if found is None:
        raise UserError(
            f"there is no sparsity pattern {name!r}",
            hint="Patterns are `unstructured`, N:M as in 2:4, and blocks of RxC as in 1x4.",
        )
    first, second = int(found[1]), int(found[3])
    if found[2] == "x":
        return Blocks(first, second)
    if first >= second:
        raise UserError(
            f"the sparsity pattern {name} leaves nothing out",
            hint="N:M keeps N of M neighbours, as in 2:4: N has to be smaller than M.",
        )
    return NofM(first, second)


def share_of(pattern: Pattern, share: float | None, *, default: float = 0.5) -> float:
    """The share of zeros to aim at. Raises `UserError` for one that cannot be."""
    fixed = pattern.fixed_share
    if share is None:
        return default if fixed is None else fixed
    if not 0 < share < 1:
        raise UserError(
            f"share is {share:g}, expected more than 0 and less than 1",
            hint="0.8 sets 80 % of the weights to zero; all of them leave no model.",
        )
    if fixed is not None and abs(share - fixed) > 1e-6:
        raise UserError(
            f"share is {share:g}, and the pattern {pattern} has {fixed:g} of zeros",
            hint=f"Leave share out, or choose blocks, as in 1x{pattern.columns}.",
        )
    return share


def check_divides(pattern: Pattern, weight: Tensor, name: str) -> None:
    """Raise `UserError` unless the weight of layer ``name`` is made of whole groups."""
    rows, columns = matrix(weight).shape
    if not pattern.divides(rows, columns):
        raise UserError(
            f"the pattern {pattern} does not divide {name}, which is {rows} × {columns}",
            hint="Choose a pattern that divides outputs × inputs, or leave the layer out: "
            f'exclude=["{name}"]',
        )


def measured(pattern: Pattern | None, weight: Tensor) -> str:
    """The pattern that the zeros of a weight are in: the one asked for, or none at all.

    ``None`` asks for whole outputs and inputs.
    """
    if pattern is None:
        return STRUCTURED if _in_whole_lines(weight) else UNSTRUCTURED
    return str(pattern) if pattern.followed_by(matrix(weight)) else UNSTRUCTURED


def _in_whole_lines(weight: Tensor) -> bool:
    """Whether every zero of ``[outputs, inputs, …]`` is of an output or an input that is zero."""
    filled = weight.reshape(*weight.shape[:2], -1) != 0
    outputs, inputs = filled.any(dim=(1, 2)), filled.any(dim=(0, 2))
    return bool(filled[outputs][:, inputs].all())


def matrix(weight: Tensor) -> Tensor:
    """A weight as ``[outputs, inputs]``, a view where that can be."""
    return weight.reshape(len(weight), -1)


def share_of_zeros(weight: Tensor) -> float:
    """Measured."""
    return 1 - int(torch.count_nonzero(weight)) / int(weight.numel())


def lowest(scores: Tensor, count: int) -> Tensor:
    """True for the ``count`` smallest of each row, the first ones among equals."""
    if count == 0:
        return torch.zeros_like(scores, dtype=torch.bool)
    threshold = scores.kthvalue(count, dim=1, keepdim=True).values
    below, equal = scores < threshold, scores == threshold
    missing = count - below.sum(dim=1, keepdim=True)
    return below | (equal & (equal.cumsum(dim=1) <= missing))
