"""Export a transformers model as a program of torch operators, with `torch.export`."""

from __future__ import annotations

from pathlib import Path

import torch

from core_plugin_torch import dynamo
from core_plugin_torch import program as programs
from core_plugin_torch.run_options import ExportOptions
from hwcore.contract import Artifact, Cancelled, Context, Draft, PluginError, Signature
from hwcore.data import example_inputs
from hwcore.transformers import load_module
from hwcore.vendor import quiet


def export(source: Artifact, options: ExportOptions, out: Path, ctx: Context) -> Draft:
    """Capture the flat module, with every dimension of the signature left open, and save it.

    Raises `PluginError` where the model's code fixes a dimension, `Cancelled` between phases.
    """
    _phase(ctx, 0.0, "loading the model")
    module = load_module(source, attention=options.attention)
    _phase(ctx, 0.3, "capturing the graph")
    program = capture(module, source.component().signature, seed=ctx.seed)
    _phase(ctx, 0.8, "writing")
    draft = programs.write(program, source, source.traits, out)
    ctx.progress(1.0, "exported")
    return draft


def capture(
    module: torch.nn.Module, signature: Signature, *, seed: int = 0
) -> torch.export.ExportedProgram:
    """The program of a flat module: its weights are the module's own, not copies.

    Raises `PluginError` where the module's code fixes a dimension that the signature leaves open.
    """
    dynamo.load()
    arrays = example_inputs(signature, seed=seed)
    example = tuple(torch.from_numpy(arrays[spec.name]) for spec in signature.inputs)
    try:
        with quiet("torch", "transformers"), torch.no_grad():
            return torch.export.export(
                module, example, dynamic_shapes=dynamic_shapes(signature), strict=False
            )
    except torch._dynamo.exc.UserError as error:
        reason = str(error).strip().splitlines()[0]
        raise PluginError(
            f"torch.export did not keep the dimensions of the model open: {reason[:160]}",
            hint="The model's code depends on a size that should be free.",
        ) from error


def dynamic_shapes(signature: Signature) -> tuple[dict[int, torch.export.Dim], ...]:
    """The open dimensions of each input, by axis, as `torch.export.export` takes them.

    A dimension of the signature is the same one wherever it occurs. That sizes are multiples of
    a number is not said: the program takes the others, too.
    """
    dims = {
        dim.name: torch.export.Dim(dim.name, min=dim.min, max=dim.max) for dim in signature.dims
    }
    return tuple(
        {axis: dims[size] for axis, size in enumerate(spec.shape) if isinstance(size, str)}
        for spec in signature.inputs
    )


def _phase(ctx: Context, fraction: float, message: str) -> None:
    if ctx.cancelled():
        raise Cancelled("the export was stopped")
    ctx.progress(fraction, message)
