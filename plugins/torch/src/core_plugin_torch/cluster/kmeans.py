"""k-means of numbers on a line: a codebook of few values for many weights.

Lloyd's algorithm (IEEE Transactions on Information Theory 28, 1982), from centroids that lie
evenly between the least and the largest number: Han et al., Deep Compression, arXiv 1510.00149,
section 3.2, found that these serve large weights, which matter most, better than random ones or
ones by density. Sorted numbers make a round exact and quick: a cluster is an interval, and its sum
a difference of two sums of all numbers before it.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

ROUNDS = 10_000
"""At most. Millions of numbers in 256 clusters were seen to settle after 9,000."""


@dataclass(frozen=True, eq=False)
class Codebook:
    """Values, and which of them each number became."""

    values: Tensor
    """``[count]``, rising; where there are fewer different numbers, the rest is zero."""
    codes: Tensor
    """uint8, of the shape of the numbers."""

    def decoded(self) -> Tensor:
        """The numbers as they are now."""
        return self.values[self.codes.long()]


def cluster(numbers: Tensor, count: int) -> Codebook:
    """``count`` values, up to 256, for finite float32 ``numbers``; the same for the same.

    Every value is the mean of the numbers that are nearest to it. Where there are no more than
    ``count`` different numbers, they are the values.
    """
    ordered = numbers.flatten().sort().values.double()
    different = _different(ordered, count)
    centroids = _settled(ordered, count) if different is None else different
    codes = torch.bucketize(numbers.double(), _between(centroids), right=True)
    values = torch.zeros(count, dtype=numbers.dtype)
    values[: len(centroids)] = centroids.to(numbers.dtype)
    return Codebook(values, codes.to(torch.uint8))


def cluster_with_zero(numbers: Tensor, count: int) -> Codebook:
    """The same, with the value zero for the zeros, and for them alone: code 0.

    The other ``count - 1`` values are those of what is not zero, so that the zeros of a pruned
    weight stay where they are, and no others come to them.
    """
    kept = numbers != 0
    found = cluster(numbers[kept], count - 1)
    codes = torch.zeros(numbers.shape, dtype=torch.uint8)
    codes[kept] = found.codes + 1
    return Codebook(torch.cat([found.values.new_zeros(1), found.values]), codes)


def _different(ordered: Tensor, count: int) -> Tensor | None:
    """The different numbers, if they are no more than ``count``."""
    steps = (ordered[1:] != ordered[:-1]).nonzero().flatten()
    return None if len(steps) >= count else torch.unique_consecutive(ordered)


def _settled(ordered: Tensor, count: int) -> Tensor:
    """Centroids that another round would not move."""
    sums = _sums(ordered)
    squares = _sums(ordered.square())
    centroids = torch.linspace(float(ordered[0]), float(ordered[-1]), count, dtype=ordered.dtype)
    before = None
    for _ in range(ROUNDS):
        inner = torch.searchsorted(ordered, _between(centroids))
        bounds = torch.cat([inner.new_zeros(1), inner, inner.new_full((1,), len(ordered))])
        bounds = _without_empty(bounds, ordered, sums, squares)
        if before is not None and torch.equal(bounds, before):
            break
        before = bounds
        centroids = sums[bounds].diff() / bounds.diff()
    return centroids


def _without_empty(bounds: Tensor, ordered: Tensor, sums: Tensor, squares: Tensor) -> Tensor:
    """Give each empty cluster a half of the one with the largest error, cut at its mean.

    There are more different numbers than clusters: one of them has two.
    """
    for _ in range(int((bounds.diff() == 0).sum())):
        bounds = torch.unique_consecutive(bounds)
        begins, ends = bounds[:-1], bounds[1:]
        means = sums[bounds].diff() / bounds.diff()
        errors = squares[bounds].diff() - means * sums[bounds].diff()
        mixed = ordered[begins] != ordered[ends - 1]
        errors = torch.where(mixed, errors.clamp(min=0), -1.0)
        worst = int(errors.argmax())
        cut = torch.searchsorted(ordered, means[worst], right=True)
        cut = cut.clamp(begins[worst] + 1, ends[worst] - 1)
        bounds = torch.cat([bounds[: worst + 1], cut[None], bounds[worst + 1 :]])
    return bounds


def _between(centroids: Tensor) -> Tensor:
    """Where one interval ends and the next begins."""
    return (centroids[1:] + centroids[:-1]) / 2


def _sums(numbers: Tensor) -> Tensor:
    """Of the first 0, 1, 2 … numbers."""
    return torch.cat([numbers.new_zeros(1), numbers.cumsum(0)])
