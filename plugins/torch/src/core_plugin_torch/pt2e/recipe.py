"""What is quantized, and how: options as torchao's quantizer for x86 takes them.

Weights are symmetric, and activations have one scale for the whole tensor: what the int8 kernels
compute with that Inductor calls (oneDNN's ``qlinear``).
"""

from __future__ import annotations

from typing import Any

import torch
from torch.nn import functional

from core_plugin_torch.pt2e.options import DynamicOptions, StaticOptions
from hwcore.contract import Target

LEAST_SCALE = 2.0**-23
"""torchao's own, 2**-12, leaves a channel whose weights are all below 0.03 fewer than 8 bits."""

_OBSERVERS = {
    "histogram": "HistogramObserver",
    "minmax": "MinMaxObserver",
    "moving-average": "MovingAverageMinMaxObserver",
}
_SCHEMES = {"asymmetric": torch.per_tensor_affine, "symmetric": torch.per_tensor_symmetric}


def quantizer(ao: Any, options: StaticOptions | DynamicOptions, target: Target) -> Any:
    """torchao's quantizer, told to quantize linear layers and convolutions, and nothing else.

    ``ao`` is what `core_plugin_torch.pt2e.library.load` gives.
    """
    if isinstance(options, StaticOptions):
        activations = _ranged(ao, options, target)
    else:
        activations = _measured(ao)
    configuration = ao.Configuration(activations, activations, _weights(ao, options), None)
    made = ao.X86InductorQuantizer()
    for function in (functional.linear, functional.conv1d, functional.conv2d):
        made.set_function_type_qconfig(function, configuration)
    return made


def reduces_range(options: StaticOptions, target: Target) -> bool:
    """Whether activations have 7 bits.

    Products of bytes are added in pairs to 16 bits (``vpmaddubsw``) on x86 without VNNI, and two
    products of 8 bits with 8 do not fit.
    """
    if options.reduce_range != "auto":
        return options.reduce_range == "on"
    return not target.has("vnni")


def _ranged(ao: Any, options: StaticOptions, target: Target) -> Any:
    """Activations whose ranges are observed in calibration."""
    observer = getattr(ao.observer, _OBSERVERS[options.observer])
    return ao.Specification(
        dtype=torch.uint8,
        quant_min=0,
        quant_max=127 if reduces_range(options, target) else 255,
        qscheme=_SCHEMES[options.activations],
        observer_or_fake_quant_ctr=observer.with_args(eps=LEAST_SCALE),
    )


def _measured(ao: Any) -> Any:
    """Activations whose ranges are measured in every call."""
    return ao.Specification(
        dtype=torch.uint8,
        quant_min=0,
        quant_max=255,
        qscheme=torch.per_tensor_affine,
        is_dynamic=True,
        observer_or_fake_quant_ctr=ao.observer.PlaceholderObserver.with_args(eps=LEAST_SCALE),
    )


def _weights(ao: Any, options: StaticOptions | DynamicOptions) -> Any:
    observer = ao.observer.PerChannelMinMaxObserver
    if options.weights == "per-tensor":
        observer = _one_scale(observer)
    return ao.Specification(
        dtype=torch.int8,
        quant_min=-128,
        quant_max=127,
        qscheme=torch.per_channel_symmetric,
        ch_axis=0,
        observer_or_fake_quant_ctr=observer.with_args(eps=LEAST_SCALE),
    )


def _one_scale(per_channel: Any) -> Any:
    """An observer that gives every channel the range of all: the kernels take a scale for each."""

    class OneScale(per_channel):  # type: ignore[misc]  # torchao is not type-checked here
        def forward(self, weight: torch.Tensor) -> torch.Tensor:
            super().forward(weight)
            self.min_val.fill_(self.min_val.min())
            self.max_val.fill_(self.max_val.max())
            return weight

    return OneScale
