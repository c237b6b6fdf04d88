"""Quantization that is trained through: floats that only take the values integers will have.

Jacob et al., "Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only
Inference", arXiv 1712.05877; for ranges that are learnt, Esser et al., "Learned Step Size
Quantization", arXiv 1902.08153, and Bhalgat et al., "LSQ+", arXiv 2004.09576.
"""

from __future__ import annotations

import torch
from torch import Tensor

WEIGHT_LEVELS = 127
"""Weights are -127 … 127: symmetric, so that zero is zero, and a sign can be turned."""
LOW, HIGH = 0, 255
"""Activations are uint8, the left operand of x86's dot product of bytes."""
REDUCED_HIGH = 127
"""Of activations where products of bytes are added in pairs to 16 bits: those of 255 do not fit."""
MOMENTUM = 0.01
"""How much of a new batch's range goes into the moving average."""
_LEAST = torch.finfo(torch.float32).eps
"""Least step of activations: what has no range is not divided by zero."""


def weight_scale(weight: Tensor) -> Tensor:
    """Step of each output channel, float32 ``[outputs]``, of weights ``[outputs, …]``.

    A channel of zeros has no range: it gets the step 1.
    """
    largest = weight.detach().float().abs().flatten(1).amax(dim=1)
    return torch.where(largest > 0, largest / WEIGHT_LEVELS, torch.ones_like(largest))


def quantized_weight(weight: Tensor, scale: Tensor) -> Tensor:
    """Weights ``[outputs, …]`` as int8, with a step for each output. Zeros stay zeros."""
    steps = (weight.detach() / _along_outputs(scale, weight)).round()
    return steps.clamp(-WEIGHT_LEVELS, WEIGHT_LEVELS).to(torch.int8)


def fake_quantized_weight(weight: Tensor, scale: Tensor) -> Tensor:
    """Weights rounded to what `quantized_weight` gives, times the step; of the same shape.

    Gradients are those of the identity (section 3; Bengio et al., arXiv 1308.3432).
    """
    step = _along_outputs(scale, weight)
    steps = (weight / step).clamp(-WEIGHT_LEVELS, WEIGHT_LEVELS)
    return straight_through(steps) * step


def moving_range(
    low: Tensor, high: Tensor, values: Tensor, *, first: bool
) -> tuple[Tensor, Tensor]:
    """Least and largest value as exponential moving averages (section 3.1); scalars.

    The ``first`` range that is seen is taken as it is.
    """
    least, most = torch.aminmax(values.detach().float())
    if first:
        return least, most
    return low + MOMENTUM * (least - low), high + MOMENTUM * (most - high)


def activation_parameters(low: Tensor, high: Tensor, most: int = HIGH) -> tuple[Tensor, Tensor]:
    """Step and zero point of a range, scalars; the zero point is a whole number.

    The range is widened to hold zero (section 2.1), so that padding and zeros stay what they are.
    ``most`` is the integer that its upper limit becomes.
    """
    low, high = low.clamp_max(0), high.clamp_min(0)
    scale = ((high - low) / (most - LOW)).clamp_min(_LEAST)
    return scale, straight_through(LOW - low / scale).clamp(LOW, most)


def fake_quantized_activation(
    values: Tensor, low: Tensor, high: Tensor, most: int = HIGH
) -> Tensor:
    """Values rounded to the ``most + 1`` steps of a range; of the same shape.

    Gradients of values inside of the range are those of the identity, and zero outside. Limits
    that ask for gradients get those of LSQ+ (section 3.1), by the chain rule: from its step and
    offset to the two limits.
    """
    scale, zero_point = activation_parameters(low, high, most)
    steps = straight_through(values / scale) + zero_point
    return (steps.clamp(LOW, most) - zero_point) * scale


def straight_through(values: Tensor) -> Tensor:
    """Round, halves to the even number; the gradient is that of the identity."""
    return values + (values.round() - values).detach()


def _along_outputs(scale: Tensor, weight: Tensor) -> Tensor:
    return scale.reshape(-1, *[1] * (weight.ndim - 1))
