"""What linear layers read: a sample of the tokens of some rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from core_plugin_intel.rows import Row

TOKENS = 512
"""Kept of each layer: memory is this times its inputs."""


def collect(
    module: nn.Module, found: dict[str, nn.Linear], rows: Iterable[Row], count: int
) -> dict[str, Tensor]:
    """Inputs of each layer by its name, float32 ``[tokens, inputs]``, at most `TOKENS` of them.

    ``count`` is how many rows there are; an equal number of tokens is taken of each, evenly.
    """
    share = max(1, TOKENS // count)
    kept: dict[str, list[Tensor]] = {name: [] for name in found}
    with torch.no_grad(), _watching(found, kept, share):
        for row in rows:
            module(*row)
    return {name: torch.cat(parts)[:TOKENS] for name, parts in kept.items()}


@contextmanager
def _watching(
    found: dict[str, nn.Linear], kept: dict[str, list[Tensor]], share: int
) -> Iterator[None]:
    def keep(name: str) -> Any:
        def hook(_: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            tokens = inputs[0].detach().flatten(0, -2)
            places = torch.linspace(0, len(tokens) - 1, min(share, len(tokens)))
            kept[name].append(tokens[places.round().long()].clone())

        return hook

    handles = [layer.register_forward_pre_hook(keep(name)) for name, layer in found.items()]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
