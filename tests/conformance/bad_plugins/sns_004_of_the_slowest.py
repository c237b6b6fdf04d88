"""Gives times relative to the slowest layer."""

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

KILLS = "SNS-004"
SAYS = "of the time together"


@hookimpl
def sensitivity(source: Artifact, data: Dataset, ctx: Context) -> Sensitivity:
    found: Sensitivity = good.sensitivity(source=source, data=data, ctx=ctx)
    most = max(layer.time_share for layer in found.layers)
    scaled = [
        layer.model_copy(update={"time_share": layer.time_share / most}) for layer in found.layers
    ]
    return found.model_copy(update={"layers": tuple(scaled)})
