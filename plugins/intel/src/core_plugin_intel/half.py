"""Products and tables in bfloat16, everything between them in float32.

The operators are those of Neural Compressor's mixed precision. It only switches autocast on
around them: weights stay in float32, and are rounded anew at each call. Here they are stored so.
"""

from __future__ import annotations

from pathlib import Path

from torch import nn

from core_plugin_intel import layers, modules, program
from core_plugin_intel.options import HalfOptions
from core_plugin_intel.rows import phase
from hwcore.contract import Artifact, Context, Draft
from hwcore.transformers import load_module

SCHEME = "bf16"


def bf16(source: Artifact, options: HalfOptions, out: Path, ctx: Context) -> Draft:
    """Linear layers, convolutions and embedding tables in bfloat16.

    Raises `UserError` for layers that the model does not have, `Cancelled` between phases.
    """
    phase(ctx, 0.0, "loading the model")
    module = load_module(source)
    count = layers.parameters(module)
    names = [*layers.linears(module), *layers.convolutions(module)]
    floats = layers.matching(options.float_layers, names, layers.untouched(module))
    for name, layer in list(module.named_modules()):
        parent, _, own = name.rpartition(".")
        if name.removeprefix(layers.PREFIX) in floats:
            continue
        if isinstance(layer, nn.Linear | nn.Conv2d):
            setattr(module.get_submodule(parent), own, modules.HalfProduct(layer))
        elif type(layer) is nn.Embedding:
            setattr(module.get_submodule(parent), own, modules.HalfEmbedding(layer))
    phase(ctx, 0.3, "capturing the graph")
    captured = program.capture(module, source.component().signature, seed=ctx.seed)
    phase(ctx, 0.8, "writing")
    return program.write(captured, source, SCHEME, count, out)
