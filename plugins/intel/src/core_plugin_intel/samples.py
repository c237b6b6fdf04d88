"""What is kept of a layer's inputs: a sample of the tokens, or the products of all of them."""

from __future__ import annotations

import torch
from torch import Tensor

TOKENS = 512
"""Kept of each layer: memory is this times its inputs."""


class Tokens:
    """At most `TOKENS` of them, evenly: of ``rows`` rows each gives an equal number."""

    def __init__(self, inputs: int, rows: int) -> None:
        self._inputs = inputs
        self._share = max(1, TOKENS // rows)
        self._kept: list[Tensor] = []

    def add(self, tokens: Tensor) -> None:
        """Float32 ``[tokens, inputs]`` of one row."""
        self._kept.append(_evenly(tokens, self._share))

    def all(self) -> Tensor:
        """Float32 ``[tokens, inputs]``; one token of zeros if none came by."""
        if not self._kept:
            return torch.zeros(1, self._inputs)
        return _evenly(torch.cat(self._kept), TOKENS)


class Products:
    """``X Xᵀ`` over all tokens: ``[inputs, inputs]`` numbers, however many rows there are."""

    def __init__(self, inputs: int) -> None:
        self.gram = torch.zeros(inputs, inputs)

    def add(self, tokens: Tensor) -> None:
        """Float32 ``[tokens, inputs]`` of one row."""
        self.gram.addmm_(tokens.T, tokens)


def _evenly(tokens: Tensor, count: int) -> Tensor:
    """A copy of some of them, from the first to the last."""
    places = torch.linspace(0, len(tokens) - 1, min(count, len(tokens)))
    return tokens[places.round().long()]
