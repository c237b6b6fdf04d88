"""Padding masks in the form that makes the smallest graph. Imports torch."""

from __future__ import annotations

import torch
from torch import Tensor, nn

MASK = "attention_mask"
_TOLERANCE = 1e-4


class BroadcastMask(nn.Module):  # type: ignore[misc]  # torch is not type-checked here
    """A model of ``[batch, sequence]`` inputs whose mask is spread out before it gets it.

    From a padding mask, transformers works out which token sees which; written down for any
    shape that takes some twenty operations. A boolean mask of four dimensions it takes as it
    is: ``[batch, 1, queries, keys]``, the same for every query of a bidirectional encoder.
    """

    def __init__(self, model: nn.Module, place: int) -> None:
        super().__init__()
        self.model = model
        self.place = place

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """Int64 ``[batch, sequence]`` each; the mask is input number ``place``."""
        changed = list(inputs)
        mask = inputs[self.place]
        changed[self.place] = mask[:, None, None, :].bool().expand(-1, 1, mask.shape[1], -1)
        result: tuple[Tensor, ...] = self.model(*changed)
        return result


def simplified(module: nn.Module, example: dict[str, Tensor]) -> nn.Module:
    """The module in a `BroadcastMask` if it has a mask, takes that form and gives the same."""
    if MASK not in example:
        return module
    candidate = BroadcastMask(module, list(example).index(MASK))
    inputs = tuple(example.values())
    with torch.no_grad():
        expected = module(*inputs)
        try:
            actual = candidate(*inputs)
        except (IndexError, RuntimeError, TypeError, ValueError):
            return module  # an architecture with mask code of its own
    same = all(
        mine.shape == theirs.shape and torch.allclose(mine, theirs, atol=_TOLERANCE)
        for mine, theirs in zip(actual, expected, strict=True)
    )
    return candidate if same else module
