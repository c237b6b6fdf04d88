"""Counts every matrix of the model, those too that it leaves as they are."""

from __future__ import annotations

from pathlib import Path

from acme_reference import plugin as good
from acme_reference.plugin import (  # noqa: F401 - hooks
    compile,
    devices,
    export,
    run,
    sensitivity,
    sparsify,
)

from hwcore.contract import Artifact, Context, Dataset, Draft, Options, hookimpl

KILLS = "QNT-002"
SAYS = "operations, and the files hold"


@hookimpl
def quantize(
    source: Artifact,
    capability: str,
    options: Options,
    data: Dataset | None,
    out: Path,
    ctx: Context,
) -> Draft:
    from acme_reference import weights as w

    draft: Draft = good.quantize(
        source=source, capability=capability, options=options, data=data, out=out, ctx=ctx
    )
    matrices = sum(array.ndim == 2 for array in w.read(source.component_file()).values())
    return draft.model_copy(update={"facts": {**draft.facts, "ops_quantized": matrices}})
