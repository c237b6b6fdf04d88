"""The row ``cluster``: load, cluster, capture, write."""

from __future__ import annotations

from pathlib import Path

import torch
from pydantic import JsonValue
from torch import Tensor

from core_plugin_torch import program as programs
from core_plugin_torch.cluster.layers import chosen, replace
from core_plugin_torch.cluster.options import ClusterOptions
from core_plugin_torch.cluster.weights import Clustered, codebooks
from core_plugin_torch.export import capture
from core_plugin_torch.progress import Beat, phase
from core_plugin_torch.threads import threads
from core_plugin_torch.weights import count
from hwcore.contract import Artifact, Context, Draft
from hwcore.transformers import load_module

SCHEME = "codebook-weights"
FACT = "clusters"
"""Of each layer that was clustered, by its name in the model: bits, codebooks, error."""
LOADED, CLUSTERED, CAPTURED = 0.05, 0.7, 0.9
"""Progress at the end of these phases."""
WORK = "the clustering"


def cluster(source: Artifact, options: ClusterOptions, out: Path, ctx: Context) -> Draft:
    """Weights as packed codes into codebooks; maths in float32. Zeros stay zeros.

    Raises `UserError` for layers that the model does not have, and where no layer would be
    smaller; `Cancelled` between two codebooks.
    """
    with threads(ctx.threads), torch.no_grad():
        phase(ctx, 0.0, "loading the model", work=WORK)
        flat = load_module(source)
        parameters = sum(weight.numel() for weight in flat.parameters())
        layers = chosen(flat.model, options)
        phase(ctx, LOADED, "clustering", work=WORK)
        total = sum(codebooks(layer.weight, options.rows) for layer in layers.values())
        beat = Beat(ctx, total, "clustering", begin=LOADED, end=CLUSTERED, work=WORK)
        clustered = replace(flat.model, layers, options, beat)
        phase(ctx, CLUSTERED, "capturing the graph", work=WORK)
        program = capture(flat, source.component().signature, seed=ctx.seed)
        phase(ctx, CAPTURED, "writing", work=WORK)
        facts: dict[str, JsonValue] = {
            "parameters": parameters,
            "bits_per_weight": count(program).bytes * 8 / parameters,
            FACT: {name: _fact(layers[name].weight, made) for name, made in clustered.items()},
        }
        traits = source.traits.model_copy(update={"quantization": SCHEME})
        draft = programs.write(program, source, traits, out, facts=facts)
    ctx.progress(1.0, "clustered")
    return draft


def _fact(weight: Tensor, clustered: Clustered) -> JsonValue:
    """Bits of a code, how many codebooks, and the root mean square of the error by the weight's."""
    lost = float((weight - clustered()).norm())
    return {
        "bits": clustered.bits,
        "codebooks": len(clustered.codebooks),
        "error": lost / float(weight.norm()) if lost else 0.0,
    }
