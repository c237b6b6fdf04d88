"""How a forward pass divides its time among layers."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

from torch import Tensor, nn

WARM_UP, PASSES = 3, 15
"""Forward passes before any is timed, and those that are."""


def shares(
    model: nn.Module,
    inputs: Sequence[Tensor],
    layers: Mapping[str, nn.Module],
    *,
    beat: Callable[[], None],
) -> dict[str, float]:
    """Each layer's share of a forward pass, 0 to 1; ``beat`` is called after each pass.

    Of several passes, each part's shortest time is taken, what lies between the layers being one
    more: what else the machine does makes times longer, and never shorter, and it is the whole of
    a pass that it hardly ever leaves alone. A layer that is called several times in a pass has the
    sum of it.
    """
    shortest, rest = dict.fromkeys(layers, math.inf), math.inf
    for number in range(WARM_UP + PASSES):
        with _timing(layers) as spent:
            begin = time.perf_counter()
            model(*inputs)
            whole = time.perf_counter() - begin
        if number >= WARM_UP:
            rest = min(rest, whole - sum(spent.values()))
            shortest = {name: min(shortest[name], seconds) for name, seconds in spent.items()}
        beat()
    total = rest + sum(shortest.values())
    return {name: seconds / total for name, seconds in shortest.items()}


@contextmanager
def _timing(layers: Mapping[str, nn.Module]) -> Iterator[dict[str, float]]:
    """Seconds spent in each layer meanwhile."""
    spent = dict.fromkeys(layers, 0.0)
    began: dict[str, float] = {}

    def before(name: str) -> Callable[..., None]:
        def hook(*_: Any) -> None:
            began[name] = time.perf_counter()

        return hook

    def after(name: str) -> Callable[..., None]:
        def hook(*_: Any) -> None:
            spent[name] += time.perf_counter() - began[name]

        return hook

    with ExitStack() as hooks:
        for name, layer in layers.items():
            hooks.callback(layer.register_forward_pre_hook(before(name)).remove)
            hooks.callback(layer.register_forward_hook(after(name)).remove)
        yield spent
