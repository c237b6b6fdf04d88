"""Weights on a grid of integers: a scale and a zero point for each group of input channels.

The value of a code ``q`` is ``scale * (q - zero)``, as in Jacob et al., arXiv 1712.05877,
equation 1. Pure functions of tensors.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

LEVELS = 16
"""Of 4 bits: codes are 0 to 15."""


@dataclass(frozen=True, eq=False)
class Grid:
    """The codes of one weight, and what they mean."""

    codes: Tensor
    """uint8 ``[outputs, inputs]``, 0 to 15."""
    scale: Tensor
    """float32 ``[outputs, groups]``, of consecutive inputs."""
    zero: Tensor
    """float32 ``[outputs, groups]``, in steps; an integer where zeros have to stay zeros."""

    def values(self) -> Tensor:
        """float32 ``[outputs, inputs]``."""
        outputs, inputs = self.codes.shape
        grouped = self.codes.reshape(outputs, self.scale.shape[1], -1).to(torch.float32)
        return ((grouped - self.zero[..., None]) * self.scale[..., None]).reshape(outputs, inputs)


def ranges(weight: Tensor, group: int, symmetric: bool) -> tuple[Tensor, Tensor]:
    """Scale and zero point of each group, from its least and largest weight.

    Symmetric codes lie around 8 and leave 0 out; the others put zero on an integer. A group of
    zeros gets the scale 1.
    """
    outputs, inputs = weight.shape
    grouped = weight.reshape(outputs, inputs // group, group)
    least, largest = grouped.amin(-1).clamp(max=0), grouped.amax(-1).clamp(min=0)
    if symmetric:
        scale = torch.maximum(-least, largest) / (LEVELS // 2 - 1)
        return _one_for_none(scale), torch.full_like(scale, LEVELS // 2)
    scale = _one_for_none((largest - least) / (LEVELS - 1))
    return scale, torch.clamp(torch.round(-least / scale), 0, LEVELS - 1)


def nearest(weight: Tensor, scale: Tensor, zero: Tensor) -> Grid:
    """Round every weight to the nearest step of its group's grid."""
    outputs, inputs = weight.shape
    grouped = weight.reshape(outputs, scale.shape[1], -1)
    codes = torch.round(grouped / scale[..., None] + zero[..., None])
    codes = torch.clamp(codes, 0, LEVELS - 1).to(torch.uint8)
    return Grid(codes.reshape(outputs, inputs), scale, zero)


def pack(codes: Tensor) -> Tensor:
    """Two codes in a byte, the even one in the lower half: uint8 ``[outputs, inputs / 2]``."""
    return codes[:, ::2] | (codes[:, 1::2] << 4)


def unpack(packed: Tensor) -> Tensor:
    """The codes of `pack`: uint8 ``[outputs, inputs]``."""
    return torch.stack((packed & 15, packed >> 4), dim=-1).flatten(-2)


def symmetric_int8(weight: Tensor) -> tuple[Tensor, Tensor]:
    """Codes within ±127, int8 ``[rows, …]``, and the scale of each row, float32 ``[rows, 1]``."""
    scale = _one_for_none(weight.abs().amax(1, keepdim=True) / 127)
    return torch.clamp(torch.round(weight / scale), -127, 127).to(torch.int8), scale


def _one_for_none(scale: Tensor) -> Tensor:
    return torch.where(scale > 0, scale, torch.ones_like(scale))
