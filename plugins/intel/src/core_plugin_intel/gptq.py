"""Neural Compressor's GPTQ: round one column after another, and mend what that broke in the rest.

Frantar et al., arXiv 2210.17323. It takes a transformers model and quantizes the layers in its
first list of blocks; symmetric codes only are taken from it, as its packing of other zero points
is wrong (3.10).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from core_plugin_intel.grid import LEVELS, Grid
from core_plugin_intel.libraries import quantization, silent
from core_plugin_intel.rows import Row


def quantize(
    model: nn.Module,
    groups: Mapping[str, int],
    rows: Iterable[Row],
    names: tuple[str, ...],
    *,
    folder: Path,
    act_order: bool,
) -> dict[str, Grid]:
    """Grids of the layers that it quantized, by name.

    ``groups`` has the group size of each layer to quantize, by its name in ``model``, whose
    inputs are called ``names`` and which was loaded from ``folder``: anything else it would take
    for a name of the hub, and fetch. The model is used up. ``act_order`` takes the columns with
    the largest activations first.
    """
    library = quantization()
    with silent(), torch.no_grad():
        config = library.GPTQConfig(dtype="fp32", model_path=str(folder))
        for name, group in groups.items():
            local = library.GPTQConfig(
                bits=4,
                use_sym=True,
                group_size=group,
                act_order=act_order,
                static_groups=act_order,
                model_path=str(folder),
            )
            config.set_local(name, local)
        prepared = library.prepare(model, config)
        for row in rows:
            prepared(**dict(zip(names, row, strict=True)))
        made = library.convert(prepared)
        from neural_compressor.torch.algorithms.weight_only.modules import INCWeightOnlyLinear

        return {
            name: _grid(layer.unpack())
            for name, layer in made.named_modules()
            if isinstance(layer, INCWeightOnlyLinear)
        }


def _grid(unpacked: Mapping[str, Tensor]) -> Grid:
    codes, scale = unpacked["int_weight"], unpacked["scales"].float().contiguous()
    zero = unpacked["zp"]
    if zero is None:  # codes are around zero
        return Grid(
            (codes + LEVELS // 2).to(torch.uint8), scale, torch.full_like(scale, LEVELS // 2)
        )
    return Grid(codes.to(torch.uint8).contiguous(), scale, zero.float().contiguous())
