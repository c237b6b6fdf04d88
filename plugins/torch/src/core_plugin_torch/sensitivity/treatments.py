"""What a layer's weights become: pure mathematics, one weight at a time."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from core_plugin_torch.recovery.fake_quantization import fake_quantized_weight, weight_scale
from core_plugin_torch.sparsity.importance import l1
from core_plugin_torch.sparsity.patterns import Blocks, matrix
from hwcore.contract import Treatment

INT4_STEPS = 15
"""Between the least and the largest of 16 values."""


def treated(weight: Tensor, treatment: Treatment, *, blocks: Blocks, group_size: int) -> Tensor:
    """A weight ``[outputs, …]`` after a treatment: a new tensor of the same shape.

    ``blocks`` is the pattern of zeros, ``group_size`` how many inputs share a scale of 4 bits.
    """
    if treatment == "int8":
        return fake_quantized_weight(weight, weight_scale(weight))
    if treatment == "int4":
        return rounded_in_groups(weight, group_size)
    scores = matrix(l1(weight))
    share = int(treatment.removeprefix("zeros-")) / 100
    return weight * blocks.mask(scores, share).reshape(weight.shape)


def rounded_in_groups(weight: Tensor, group_size: int) -> Tensor:
    """Rounded to 16 evenly spaced values from the least to the largest of each group.

    Round to nearest, as in Dettmers and Zettlemoyer, arXiv 2212.09720, section 2.1, with a zero
    point: the range is widened to hold zero, which stays what it is. Groups are neighbours along
    the inputs.
    """
    inputs = matrix(weight).shape[1]
    groups = weight.reshape(-1, math.gcd(inputs, group_size))
    low = groups.amin(dim=1, keepdim=True).clamp_max(0)
    high = groups.amax(dim=1, keepdim=True).clamp_min(0)
    step = (high - low) / INT4_STEPS
    step = torch.where(step > 0, step, torch.ones_like(step))
    zero = (-low / step).round()
    codes = ((groups / step).round() + zero).clamp(0, INT4_STEPS)
    return ((codes - zero) * step).reshape(weight.shape)
