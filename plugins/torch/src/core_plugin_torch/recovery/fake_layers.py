"""Linear layers in quantization-aware training, and the operators that they become."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

# Importing it defines the operators ``quantized_decomposed``.
import torch.ao.quantization.fx._decomposed  # isort: skip

from core_plugin_torch.recovery.fake_quantization import (
    HIGH,
    LOW,
    activation_parameters,
    fake_quantized_activation,
    fake_quantized_weight,
    moving_range,
    quantized_weight,
    weight_scale,
)
from core_plugin_torch.sparsity.layers import check_known, matches
from hwcore.contract import UserError

OPERATORS = torch.ops.quantized_decomposed


class FakeQuantizedLinear(nn.Module):
    """A linear layer whose inputs and weights are rounded as int8 will round them.

    The range of its inputs, one for all of them, is observed: a moving average of what comes by.
    With ``learnt`` a parameter moves its two limits from where the observer has left them, counted
    in a unit that makes a step of the optimizer, about the learning rate for every parameter, the
    same part of the range as of the weights' size (Esser et al., arXiv 1902.08153, section 2.2).
    ``most`` is the highest integer of inputs.
    """

    def __init__(self, linear: nn.Linear, *, learnt: bool, most: int = HIGH) -> None:
        super().__init__()
        self.linear = linear
        self.most = most
        device = linear.weight.device
        self.register_buffer("low", torch.zeros((), device=device))
        self.register_buffer("high", torch.zeros((), device=device))
        self.register_buffer("unit", torch.ones((), device=device) if learnt else None)
        moved = nn.Parameter(torch.zeros(2, device=device)) if learnt else None
        self.register_parameter("moved", moved)
        self.register_buffer("seen", torch.zeros((), dtype=torch.bool))
        self.observing = False
        self.rounding = True

    def forward(self, values: Tensor) -> Tensor:
        """``[…, inputs]`` to ``[…, outputs]``."""
        if self.observing:
            self._observe(values)
        if not self.rounding:
            return self.linear(values)
        # In float32, also below autocast: 256 steps are what bfloat16 can just tell apart.
        values = fake_quantized_activation(values.float(), *self.limits(), self.most)
        weight = self.linear.weight
        weight = fake_quantized_weight(weight, weight_scale(weight))
        return functional.linear(values, weight, self.linear.bias)

    def limits(self) -> tuple[Tensor, Tensor]:
        """The range of its inputs: the lower and the upper limit, scalars."""
        if self.moved is None:
            return self.low, self.high
        # Gradients are those of the limits: a unit, which may be some hundreds, would let them
        # outweigh all others where these are clipped together.
        moved = self.moved + (self.moved * self.unit - self.moved).detach()
        return self.low + moved[0], self.high + moved[1]

    @torch.no_grad()
    def _observe(self, values: Tensor) -> None:
        low, high = moving_range(self.low, self.high, values, first=not bool(self.seen))
        self.low.copy_(low)
        self.high.copy_(high)
        if self.unit is not None:
            weight = self.linear.weight.float()
            size = weight.norm() / torch.count_nonzero(weight).clamp_min(1).sqrt()
            self.unit.copy_(torch.where(size > 0, (high - low) / size, 1.0))
        self.seen.fill_(True)


class QuantizedLinear(nn.Module):
    """The same layer in integers: int8 weights are stored, and engines fuse the operators.

    Exported, it is what PT2E's ``convert_pt2e`` makes of a linear layer.
    """

    def __init__(self, trained: FakeQuantizedLinear) -> None:
        super().__init__()
        weight = trained.linear.weight.detach()
        scale = weight_scale(weight)
        low, high = (limit.detach() for limit in trained.limits())
        input_scale, input_zero_point = activation_parameters(low, high, trained.most)
        self._input = float(input_scale), int(input_zero_point), LOW, trained.most, torch.uint8
        self.register_buffer("weight", quantized_weight(weight, scale))
        self.register_buffer("scale", scale)
        self.register_buffer("zero_point", torch.zeros_like(scale, dtype=torch.int64))
        self.bias = trained.linear.bias

    def forward(self, values: Tensor) -> Tensor:
        """``[…, inputs]`` to ``[…, outputs]``."""
        steps = OPERATORS.quantize_per_tensor.default(values, *self._input)
        values = OPERATORS.dequantize_per_tensor.default(steps, *self._input)
        weight = OPERATORS.dequantize_per_channel.default(
            self.weight, self.scale, self.zero_point, 0, -128, 127, torch.int8
        )
        return functional.linear(values, weight, self.bias)


def prepare(
    model: nn.Module, *, learnt: bool, most: int = HIGH, exclude: Sequence[str] = ()
) -> None:
    """Put a `FakeQuantizedLinear` in the place of every linear layer that ``exclude`` leaves.

    ``exclude`` are shell patterns for names of layers, or of what they lie in. Raises
    `UserError` for one that matches no linear layer and no convolution, which stays anyway, and
    if no linear layer is left.
    """
    linears = {name: found for name, found in _modules(model) if type(found) is nn.Linear}
    convolutions = (nn.Conv1d, nn.Conv2d)
    known = [name for name, found in _modules(model) if isinstance(found, convolutions)]
    for pattern in exclude:
        check_known(pattern, [*linears, *known])
    made: dict[nn.Module, FakeQuantizedLinear] = {}
    for name, linear in linears.items():
        if not matches(name, exclude):
            if linear not in made:
                made[linear] = FakeQuantizedLinear(linear, learnt=learnt, most=most)
            model.set_submodule(name, made[linear])
    if not made:
        raise UserError(
            "no linear layer is left to quantize", hint="Take names out of the option `exclude`."
        )


def fakes(model: nn.Module) -> Iterator[FakeQuantizedLinear]:
    """The layers that `prepare` has put in."""
    return (found for found in model.modules() if isinstance(found, FakeQuantizedLinear))


def observe(model: nn.Module, *, observing: bool, rounding: bool = True) -> None:
    """Whether layers follow the range of their inputs, and whether they round."""
    for fake in fakes(model):
        fake.observing, fake.rounding = observing, rounding


def convert(model: nn.Module) -> None:
    """Put a `QuantizedLinear` in the place of every layer that was trained.

    One that no row ever reached has no range, and becomes the linear layer it was.
    """
    made: dict[nn.Module, nn.Module] = {}
    for name, fake in _modules(model):
        if isinstance(fake, FakeQuantizedLinear):
            if fake not in made:
                made[fake] = QuantizedLinear(fake) if bool(fake.seen) else fake.linear
            model.set_submodule(name, made[fake])


def _modules(model: nn.Module) -> list[tuple[str, nn.Module]]:
    """Every module by each of its names: one that layers share has several."""
    return list(model.named_modules(remove_duplicate=False))
