"""The rows ``int8-static`` and ``int8-dynamic``: prepare, calibrate, convert, capture again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from core_plugin_torch import program as programs
from core_plugin_torch.export import capture
from core_plugin_torch.pt2e import layers, library, tidy
from core_plugin_torch.pt2e.options import DynamicOptions, StaticOptions
from core_plugin_torch.pt2e.recipe import quantizer
from core_plugin_torch.threads import threads
from hwcore.contract import (
    Array,
    Artifact,
    Cancelled,
    Context,
    Dataset,
    Draft,
    Signature,
    Target,
    UserError,
)
from hwcore.data import batches, example_inputs
from hwcore.vendor import quiet


def static(
    source: Artifact,
    options: StaticOptions,
    data: Dataset | None,
    target: Target,
    out: Path,
    ctx: Context,
) -> Draft:
    """Int8 weights and activations, whose ranges come from calibration rows.

    Raises `UserError` without rows, or for names that the model does not have; `Cancelled`
    between two rows.
    """
    if data is None or not data.count("calibration"):
        raise UserError(
            "int8-static reads calibration rows, and there are none",
            hint="Give data that is like the model's real inputs: --data; or choose int8-dynamic.",
        )
    signature = source.component().signature
    count = min(options.subset_size, data.count("calibration"))
    rows = (
        batch.inputs
        for batch in batches(data, "calibration", batch_size=1, limit=count, signature=signature)
    )
    return _quantize(source, options, rows, count, "int8-static", target, out, ctx)


def dynamic(
    source: Artifact, options: DynamicOptions, target: Target, out: Path, ctx: Context
) -> Draft:
    """Int8 weights; activations are rounded by the range that they have in a call.

    Raises `UserError` for names that the model does not have.
    """
    # Weights are observed when the program runs: without one call their scales would be 1.
    rows = iter([example_inputs(source.component().signature, seed=ctx.seed)])
    return _quantize(source, options, rows, 1, "int8-dynamic", target, out, ctx)


def _quantize(
    source: Artifact,
    options: StaticOptions | DynamicOptions,
    rows: Iterator[dict[str, Array]],
    count: int,
    scheme: str,
    target: Target,
    out: Path,
    ctx: Context,
) -> Draft:
    _phase(ctx, 0.0, "loading the program")
    ao = library.load()
    module: Any = programs.module(programs.read(source))
    signature = source.component().signature
    chosen = quantizer(ao, options, target)
    for path in layers.excluded(module, options.exclude):
        chosen.set_module_name_qconfig(path, None)
    with quiet("torch", "torchao"), threads(ctx.threads), torch.no_grad():
        prepared = ao.prepare(module, chosen)
        _calibrate(prepared, signature, rows, count, ctx)
        _phase(ctx, 0.7, "converting")
        converted = ao.convert(prepared)
        tidy.share_equal(converted)
        tidy.drop_unused(converted)
        _phase(ctx, 0.8, "capturing the graph")
        program = capture(converted, signature, seed=ctx.seed)
    _phase(ctx, 0.9, "writing")
    traits = source.traits.model_copy(update={"quantization": scheme})
    draft = programs.write(program, source, traits, out)
    ctx.progress(1.0, "quantized")
    return draft


def _calibrate(
    prepared: torch.nn.Module,
    signature: Signature,
    rows: Iterator[dict[str, Array]],
    count: int,
    ctx: Context,
) -> None:
    """Let the observers see rows, each alone and so without padding."""
    for seen, row in enumerate(rows):
        _phase(ctx, 0.1 + 0.6 * seen / count, "calibrating")
        prepared(*[torch.from_numpy(row[spec.name]) for spec in signature.inputs])


def _phase(ctx: Context, fraction: float, message: str) -> None:
    if ctx.cancelled():
        raise Cancelled("quantization was stopped")
    ctx.progress(fraction, message)
