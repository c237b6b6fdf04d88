"""Neural Compressor's rounding of one weight: to nearest, and half-quadratic (HQQ).

Its functions are called, and not the layers that it makes of what they give: those pack zero
points wrongly (3.10: the error of asymmetric 8-bit weights is larger than the weights), and store
scales in float16.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from core_plugin_intel.grid import LEVELS, Grid
from core_plugin_intel.libraries import silent


def nearest(weight: Tensor, group: int, *, symmetric: bool, search: bool) -> Grid:
    """Round to nearest; with ``search``, in the part of the range that has the least error."""
    scheme = "sym" if symmetric else "asym"
    with silent():
        from neural_compressor.torch.algorithms.weight_only import utility

        kept = 1.0
        if search:
            layer = nn.Linear(weight.shape[1], weight.shape[0], bias=False)
            layer.weight = nn.Parameter(weight, requires_grad=False)
            kept = utility.search_clip(layer, 4, group, scheme, "int", False)
        codes, scale, zero = utility.quant_tensor(
            weight.clone(),
            bits=4,
            group_size=group,
            scheme=scheme,
            quantile=kept,
            return_int=True,
        )
    outputs, inputs = weight.shape
    scale = scale.reshape(outputs, inputs // group)
    if symmetric:
        codes, zero = codes + LEVELS // 2, torch.full_like(scale, LEVELS // 2)
    return Grid(
        codes.reshape(outputs, inputs).to(torch.uint8), scale, zero.reshape_as(scale).float()
    )


def half_quadratic(weight: Tensor, group: int) -> Grid:
    """Zero points that are no integers, chosen for the least error of a sparse kind.

    Badri and Shaji, "Half-Quadratic Quantization of Large Machine Learning Models", 2023. Left
    to itself the library takes every n-th channel of all rows for a group; a column of what it
    is given here is a group of consecutive ones.
    """
    outputs, inputs = weight.shape
    with silent():
        from neural_compressor.torch.algorithms.weight_only.hqq.config import QTensorConfig
        from neural_compressor.torch.algorithms.weight_only.hqq.core import HQQTensorHandle

        config = QTensorConfig(
            nbits=4, channel_wise=True, group_size=-1, optimize=True, round_zero=True, pack=False
        )
        found = HQQTensorHandle.quantize(weight.reshape(-1, group).T, config)
    # They were made in inference mode, which a graph cannot be captured with.
    codes, scale, zero = (t.clone() for t in (found.val, found.scale, found.zero))
    shape = (outputs, inputs // group)
    return Grid(
        codes.T.reshape(outputs, inputs).to(torch.uint8),
        scale.reshape(shape).contiguous(),
        zero.reshape(shape).contiguous(),
    )
