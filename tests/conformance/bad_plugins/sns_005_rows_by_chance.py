"""Judges rows that it draws by chance."""

from __future__ import annotations

import numpy as np
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

KILLS = "SNS-005"
SAYS = "and then"


@hookimpl
def sensitivity(source: Artifact, data: Dataset, ctx: Context) -> Sensitivity:
    found: Sensitivity = good.sensitivity(source=source, data=data, ctx=ctx)
    rng = np.random.default_rng()
    drawn = [
        layer.model_copy(
            update={"error": {t: e * rng.uniform(0.8, 1.2) for t, e in layer.error.items()}}
        )
        for layer in found.layers
    ]
    return found.model_copy(update={"layers": tuple(drawn)})
