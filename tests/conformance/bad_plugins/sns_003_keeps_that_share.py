"""Keeps the share of weights that it is to take away."""

from __future__ import annotations

from acme_reference import plugin as good
from acme_reference.plugin import (  # noqa: F401 - hooks
    compile,
    devices,
    export,
    quantize,
    run,
    sparsify,
)

from hwcore.contract import Artifact, Context, Dataset, Sensitivity, hookimpl

KILLS = "SNS-003"
SAYS = "zeros-90 has an error of"


@hookimpl
def sensitivity(source: Artifact, data: Dataset, ctx: Context) -> Sensitivity:
    found: Sensitivity = good.sensitivity(source=source, data=data, ctx=ctx)
    layers = []
    for layer in found.layers:
        error, loss = dict(layer.error), dict(layer.loss)
        for result in (error, loss):
            result["zeros-50"], result["zeros-90"] = result["zeros-90"], result["zeros-50"]
        layers.append(layer.model_copy(update={"error": error, "loss": loss}))
    return found.model_copy(update={"layers": tuple(layers)})
