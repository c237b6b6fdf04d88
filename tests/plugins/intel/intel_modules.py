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


class Patches(nn.Module):  # type: ignore[misc]
    """A convolution over an image, and a layer that reads its patches."""

    def __init__(self) -> None:
        super().__init__()
        self.patch = nn.Conv2d(3, 8, kernel_size=4, stride=4)
        self.layer = nn.Linear(8, 8)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return (self.layer(self.patch(x).flatten(2).transpose(1, 2)),)


IMAGES = Signature(
    inputs=(TensorSpec(name="x", dtype="float32", shape=("batch", 3, 8, 8), fill=Normal()),),
    outputs=(TensorSpec(name="y", dtype="float32", shape=("batch", 4, 8)),),
    dims=(Dim(name="batch"),),
)
"""Of `Patches`."""


class Residual(nn.Module):  # type: ignore[misc]
    """A block as transformers calls them: hidden states, and something that differs by block."""

    def __init__(self) -> None:
        super().__init__()
        self.up, self.down = nn.Linear(8, 16), nn.Linear(16, 8)

    def forward(self, hidden_states: torch.Tensor, scale: float = 1.0) -> tuple[torch.Tensor]:
        return (hidden_states + scale * self.down(self.up(hidden_states).tanh()),)


class Chain(nn.Module):  # type: ignore[misc]
    """Blocks one after another, of which ``times`` are one and the same, and a head."""

    def __init__(self, times: int = 1, between: float = 1.0) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.blocks = nn.ModuleList([Residual() for _ in range(3)])
        self.head = nn.Linear(8, 2)
        self.unused = nn.Linear(8, 2)
        self.times, self.between = times, between

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for place, block in enumerate(self.blocks):
            for _ in range(self.times):
                # By keyword in some models, by position in others.
                if place % 2:
                    (x,) = block(hidden_states=x, scale=place)
                else:
                    (x,) = block(x, 1.0 + place)
                if self.between != 1.0:
                    x = self.between * x
        return self.head(x)


class Flat(nn.Module):  # type: ignore[misc]
    """Around a model, as the host's flat modules are."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, *inputs: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return (self.model(*inputs),)
