"""Lists the inputs of what it writes in the order of its graph, which is the alphabet's."""

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

KILLS = "ART-002"
SAYS = "its inputs were"


@hookimpl
def quantize(
    source: Artifact,
    capability: str,
    options: Options,
    data: Dataset | None,
    out: Path,
    ctx: Context,
) -> Draft:
    """``int8``, wrongly."""
    draft = good.quantize(
        source=source, capability=capability, options=options, data=data, out=out, ctx=ctx
    )
    if capability != "int8":
        return draft
    signature = source.component().signature
    inputs = tuple(sorted(signature.inputs, key=lambda spec: spec.name))
    component = draft.components["model"].model_copy(
        update={"signature": signature.model_copy(update={"inputs": inputs})}
    )
    return draft.model_copy(update={"components": {"model": component}})
