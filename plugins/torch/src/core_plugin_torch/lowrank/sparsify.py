"""The rows ``low-rank`` and ``low-rank-data``: load, factorize, capture, write."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from pydantic import JsonValue
from torch import nn

from core_plugin_torch import calibration
from core_plugin_torch import program as programs
from core_plugin_torch.export import capture
from core_plugin_torch.lowrank.layers import Factored, Want, by_rows, by_weights, chosen
from core_plugin_torch.lowrank.options import LowRankDataOptions, LowRankOptions
from core_plugin_torch.progress import Beat, phase
from core_plugin_torch.sparsity.layerwise import passes
from core_plugin_torch.threads import threads
from hwcore.contract import Artifact, Context, Dataset, Draft, UserError
from hwcore.transformers import load_module

FACT = "low_rank"
"""Of each layer that was factorized, by its name in the model: rank, energy kept, parameters."""
LOADED, FACTORIZED, CAPTURED = 0.05, 0.75, 0.9
"""Progress at the end of these phases."""
WORK = "the factorization"

Replace = Callable[[nn.Module, dict[str, nn.Module]], dict[str, Factored]]
"""Given a flat module, and those of its layers that are meant."""


def low_rank(source: Artifact, options: LowRankOptions, out: Path, ctx: Context) -> Draft:
    """``low-rank``: the least error of the weights.

    Raises `UserError` for layers or ranks that the model does not have, and where no layer would
    be smaller; `Cancelled` between two layers.
    """
    want = Want.of(options)

    def replace(flat: nn.Module, layers: dict[str, nn.Module]) -> dict[str, Factored]:
        return by_weights(flat.model, layers, want, _beat(ctx, len(layers)))

    return _factorize(source, options, replace, out, ctx)


def low_rank_data(
    source: Artifact, options: LowRankDataOptions, data: Dataset | None, out: Path, ctx: Context
) -> Draft:
    """``low-rank-data``: the least error of what the layers answer to calibration rows.

    Raises like `low_rank`, and `UserError` without rows.
    """
    want = Want.of(options)
    if data is None or not data.count("calibration"):
        raise UserError(
            "low-rank-data reads calibration rows, and there are none",
            hint="Give data that is like the model's real inputs: --data; or choose low-rank.",
        )
    rows = calibration.rows(source, data, options.rows)

    def replace(flat: nn.Module, layers: dict[str, nn.Module]) -> dict[str, Factored]:
        beat = _beat(ctx, len(rows) * passes(flat.model))
        return by_rows(flat.model, layers, want, lambda row: flat(*row), rows, beat)

    return _factorize(source, options, replace, out, ctx)


def _factorize(
    source: Artifact, options: LowRankOptions, replace: Replace, out: Path, ctx: Context
) -> Draft:
    with threads(ctx.threads), torch.no_grad():
        phase(ctx, 0.0, "loading the model", work=WORK)
        flat = load_module(source)
        layers = chosen(flat.model, options)
        phase(ctx, LOADED, "factorizing", work=WORK)
        found = replace(flat, layers)
        phase(ctx, FACTORIZED, "capturing the graph", work=WORK)
        program = capture(flat, source.component().signature, seed=ctx.seed)
        phase(ctx, CAPTURED, "writing", work=WORK)
        draft = programs.write(program, source, source.traits, out, facts=_facts(found))
    ctx.progress(1.0, "factorized")
    return draft


def _facts(found: Mapping[str, Factored]) -> dict[str, JsonValue]:
    return {
        FACT: {
            name: {"rank": made.rank, "energy": made.energy, "parameters": made.size}
            for name, made in found.items()
        }
    }


def _beat(ctx: Context, total: int) -> Beat:
    return Beat(ctx, total, "factorizing", begin=LOADED, end=FACTORIZED, work=WORK)
