"""How the zeros are shared out among layers: evenly, by one threshold, or by sensitivity."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

POINTS = 1024
"""Of a sketch: a share is exact to a thousandth of its layer."""
MOST = 0.98
"""Of a layer that others' zeros are given to: one that is all zeros passes nothing on."""


@dataclass(frozen=True)
class Sketch:
    """The distribution of a layer's scores, small enough to be kept for every layer at once."""

    quantiles: Tensor
    """Ascending scores at even steps, the smallest and the largest among them."""
    size: int
    """Weights of the layer."""

    def share_below(self, threshold: float) -> float:
        """The share of scores that a threshold cuts off, between points on a straight line."""
        points = self.quantiles
        place = int(torch.searchsorted(points, threshold, right=True))
        if place == 0:
            return 0.0
        if place == len(points):
            return 1.0
        low, high = float(points[place - 1]), float(points[place])
        return (place - 1 + (threshold - low) / (high - low)) / (len(points) - 1)


def sketch(scores: Tensor, size: int) -> Sketch:
    """Of the scores of a layer's groups; ``size`` is the number of its weights."""
    ordered = scores.flatten().double().sort().values
    places = torch.linspace(0, len(ordered) - 1, min(POINTS + 1, len(ordered))).round().long()
    return Sketch(ordered[places], size)


def by_threshold(sketches: Mapping[str, Sketch], share: float) -> dict[str, float]:
    """One threshold for all layers (Han et al., arXiv 1506.02626): the share of each below it.

    The mean, weighted by size, is ``share``. No layer gets more than `MOST`.
    """
    most = max(MOST, share)
    total = sum(found.size for found in sketches.values())

    def shares(threshold: float) -> dict[str, float]:
        return {name: min(found.share_below(threshold), most) for name, found in sketches.items()}

    low = min(float(found.quantiles[0]) for found in sketches.values())
    high = max(float(found.quantiles[-1]) for found in sketches.values())
    for _ in range(100):  # bisection: more than a double has bits
        middle = (low + high) / 2
        made = shares(middle)
        reached = sum(made[name] * found.size for name, found in sketches.items()) / total
        low, high = (middle, high) if reached < share else (low, middle)
    return shares(high)


def by_sensitivity(
    sensitivities: Mapping[str, float],
    sizes: Mapping[str, int],
    share: float,
    *,
    spread: float,
) -> dict[str, float]:
    """Shares within ``share ± spread``, the smaller the more sensitive a layer is.

    The form is that of OWL (Yin et al., arXiv 2310.05175, section 3.2), whose layers get
    ``share − spread … share + spread`` on a straight line; here what a layer loses, by
    `core_plugin_torch.sparsity.importance.relative_error`, takes the place of its outliers. The
    mean, weighted by size, is ``share``, and all stay between 0 and `MOST`.
    """
    least, largest = min(sensitivities.values()), max(sensitivities.values())
    if largest - least <= 1e-12:
        return dict.fromkeys(sensitivities, share)
    lines = {
        name: 1 - 2 * (value - least) / (largest - least) for name, value in sensitivities.items()
    }
    total = sum(sizes.values())
    middle = sum(lines[name] * sizes[name] for name in lines) / total
    most = max(MOST, share)
    offsets = {name: line - middle for name, line in lines.items()}
    room = [
        (most - share) / offset if offset > 0 else share / -offset
        for offset in offsets.values()
        if abs(offset) > 1e-12
    ]
    scale = min(spread, *room)
    return {name: share + scale * offset for name, offset in offsets.items()}
