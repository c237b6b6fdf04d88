"""Layers whose weights are stored in few bits. They compute in float32, or in bfloat16.

They are written in torch's own operators, so that an exported program of them needs no others.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from core_plugin_intel import grid


class Int4Linear(nn.Module):  # type: ignore[misc]  # torch is not type-checked here
    """A linear layer of 4-bit codes, two in a byte. ``inverse``, if any, scales its inputs."""

    def __init__(
        self, weights: grid.Grid, bias: Tensor | None, inverse: Tensor | None = None
    ) -> None:
        super().__init__()
        self.register_buffer("packed", grid.pack(weights.codes))
        self.register_buffer("scale", weights.scale)
        self.register_buffer("zero", weights.zero)
        self.register_buffer("bias", bias)
        self.register_buffer("inverse", inverse)

    def forward(self, x: Tensor) -> Tensor:
        """Float32 ``[…, inputs]`` to ``[…, outputs]``."""
        if self.inverse is not None:
            x = x * self.inverse
        weights = grid.Grid(grid.unpack(self.packed), self.scale, self.zero)
        return functional.linear(x, weights.values(), self.bias)


class Int8Linear(nn.Module):  # type: ignore[misc]
    """A linear layer of 8-bit codes with a scale for each output, which it is applied to."""

    def __init__(self, weight: Tensor, bias: Tensor | None) -> None:
        super().__init__()
        codes, scale = grid.symmetric_int8(weight)
        self.register_buffer("codes", codes)
        self.register_buffer("scale", scale.flatten())
        self.register_buffer("bias", bias)

    def forward(self, x: Tensor) -> Tensor:
        """Float32 ``[…, inputs]`` to ``[…, outputs]``."""
        y = functional.linear(x, self.codes.to(x.dtype)) * self.scale
        return y if self.bias is None else y + self.bias


class Int8Embedding(nn.Module):  # type: ignore[misc]
    """A table of 8-bit codes with a scale for each row."""

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        codes, scale = grid.symmetric_int8(weight)
        self.register_buffer("codes", codes)
        self.register_buffer("scale", scale)

    def forward(self, ids: Tensor) -> Tensor:
        """Int64 ``[…]`` to float32 ``[…, width]``."""
        codes, scale = functional.embedding(ids, self.codes), functional.embedding(ids, self.scale)
        return codes.to(scale.dtype) * scale

    @property
    def weight(self) -> Tensor:
        """The whole table, float32 ``[rows, width]``: DeBERTa reads it beside the lookups."""
        return self.codes.to(self.scale.dtype) * self.scale


class HalfProduct(nn.Module):  # type: ignore[misc]
    """A linear layer or convolution in bfloat16 between layers in float32."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer.to(torch.bfloat16)

    def forward(self, x: Tensor) -> Tensor:
        """As the layer."""
        return self.layer(x.to(torch.bfloat16)).to(torch.float32)

    @property
    def weight(self) -> Tensor:
        """As the layer has it, in float32: models of images cast their inputs to its dtype."""
        return self.layer.weight.to(torch.float32)


class HalfEmbedding(nn.Module):  # type: ignore[misc]
    """A table in bfloat16."""

    def __init__(self, layer: nn.Embedding) -> None:
        super().__init__()
        self.layer = layer.to(torch.bfloat16)

    def forward(self, ids: Tensor) -> Tensor:
        """Int64 ``[…]`` to float32 ``[…, width]``."""
        return self.layer(ids).to(torch.float32)

    @property
    def weight(self) -> Tensor:
        """The whole table, float32 ``[rows, width]``."""
        return self.layer.weight.to(torch.float32)


def narrow_embeddings(module: nn.Module) -> None:
    """Store every embedding table of a module in 8 bits."""
    for name, layer in list(module.named_modules()):
        if type(layer) is nn.Embedding:  # one of its own class may do more than look up
            parent, _, own = name.rpartition(".")
            setattr(module.get_submodule(parent), own, Int8Embedding(layer.weight))
