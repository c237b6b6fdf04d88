"""Calls layers what its own graph calls them."""

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
SAYS = "the model has no layer 'linear_0'"


@hookimpl
def sensitivity(source: Artifact, data: Dataset, ctx: Context) -> Sensitivity:
    found: Sensitivity = good.sensitivity(source=source, data=data, ctx=ctx)
    named = [x.model_copy(update={"name": f"linear_{n}"}) for n, x in enumerate(found.layers)]
    return found.model_copy(update={"layers": tuple(named)})
