"""Takes for an error the share of weights that become zero, and asks no model."""

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

KILLS = "SNS-002"
SAYS = "all weights of"


@hookimpl
def sensitivity(source: Artifact, data: Dataset, ctx: Context) -> Sensitivity:
    found: Sensitivity = good.sensitivity(source=source, data=data, ctx=ctx)
    shares = {"int8": 0.01, "zeros-50": 0.5, "zeros-90": 0.9, "zeros-95": 0.95}
    counted = [layer.model_copy(update={"error": shares}) for layer in found.layers]
    return found.model_copy(update={"layers": tuple(counted)})
