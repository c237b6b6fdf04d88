"""Modules whose graphs are small enough to look through."""

from __future__ import annotations

import torch
from torch import nn

from hwcore.contract import Dim, Normal, Signature, TensorSpec

SIGNATURE = Signature(
    inputs=(TensorSpec(name="x", dtype="float32", shape=("batch", "sequence", 8), fill=Normal()),),
    outputs=(TensorSpec(name="y", dtype="float32", shape=("batch", "sequence", 8)),),
    dims=(Dim(name="batch"), Dim(name="sequence")),
)
"""Of each of them."""


class Plain(nn.Module):  # type: ignore[misc]
    """One layer."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(8, 8)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return (self.layer(x),)


class Block(nn.Module):  # type: ignore[misc]
    """A normalization read by two layers alone, and a value that something else reads, too."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(8)
        self.left, self.right = nn.Linear(8, 8), nn.Linear(8, 8)
        self.last = nn.Linear(8, 8)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        inner = self.norm(x)
        both = self.left(inner) * self.right(inner)
        return (both + self.last(both),)


class Shared(nn.Module):  # type: ignore[misc]
    """Two uses of one layer, as ALBERT has them."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(8, 8)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return (self.layer(self.layer(x).tanh()),)
