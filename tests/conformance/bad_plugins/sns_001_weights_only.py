"""Leaves biases out of the count."""

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

KILLS = "SNS-001"
SAYS = "parameters, and there are"


@hookimpl
def sensitivity(source: Artifact, data: Dataset, ctx: Context) -> Sensitivity:
    found: Sensitivity = good.sensitivity(source=source, data=data, ctx=ctx)
    counted = [
        x.model_copy(update={"parameters": x.parameters - x.parameters % 32}) for x in found.layers
    ]
    return found.model_copy(update={"layers": tuple(counted)})
