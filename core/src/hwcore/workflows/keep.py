"""Which layers to leave as they are, so that the others' treatment costs little enough.

What is known is each layer's error alone, and what the treatment of all of them together cost.
Errors of layers are taken to add up, as perturbations do in HAWQ-V2 (Dong et al., arXiv
1911.03852): the drop that is left follows the share of the error that is left.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

HEADROOM = 0.5
"""How much of the way from the least possible drop to the tolerance is not made use of: errors do
not quite add up, and there is one try."""
MOST_TIME = 0.5
"""Of the layers' time. Leaving more of it as it is, hardly anything would be gained."""


class Layer(NamedTuple):
    """A layer that is treated."""

    name: str
    error: float
    """Of the model's output, when this layer alone is treated: squared."""
    time: float
    """Share of a forward pass."""


class Kept(NamedTuple):
    """Layers to leave as they are."""

    names: tuple[str, ...]
    """The largest error first."""
    error_share: float
    """Of all layers' errors."""
    time_share: float
    """Of a forward pass."""
    predicted: float
    """The drop that is then to be expected, at its bound."""


def keep(
    layers: Sequence[Layer], *, observed: float, least: float, tolerance: float, squared: bool
) -> Kept | None:
    """The cheapest layers with enough of the error; ``None`` where leaving layers cannot help.

    ``observed`` is the drop of a plan that treats all layers, ``least`` that of one that changes
    nothing: a bound over few rows is not zero even then. With ``squared`` the drop grows as the
    squared error does (cosines), else as its root (rows that change sides are those nearer to the
    border than the error is large).

    Cheap is what takes little time; each layer costs the mean of them besides, for what has to be
    converted around it. Greedy by error for cost, and what the larger ones made needless is taken
    out again: the usual approximation of the covering knapsack problem.
    """
    total = sum(layer.error for layer in layers)
    if not least < tolerance < observed or total <= 0:
        return None
    power = 1.0 if squared else 0.5
    aim = least + (1 - HEADROOM) * (tolerance - least)
    needed = total * (1 - ((aim - least) / (observed - least)) ** (1 / power))
    mean = sum(layer.time for layer in layers) / len(layers)
    cost = {layer.name: layer.time + mean or 1.0 for layer in layers}
    chosen: list[Layer] = []
    covered = 0.0
    for layer in sorted(layers, key=lambda layer: -layer.error / cost[layer.name]):
        if covered >= needed:
            break
        chosen.append(layer)
        covered += layer.error
    for layer in sorted(chosen, key=lambda layer: -cost[layer.name]):
        if covered - layer.error >= needed:
            chosen.remove(layer)
            covered -= layer.error
    time = sum(layer.time for layer in chosen)
    if len(chosen) == len(layers) or time > MOST_TIME * mean * len(layers):
        return None
    left = max(1 - covered / total, 0.0)
    chosen.sort(key=lambda layer: -layer.error)
    return Kept(
        names=tuple(layer.name for layer in chosen),
        error_share=1 - left,
        time_share=time,
        predicted=least + (observed - least) * left**power,
    )
