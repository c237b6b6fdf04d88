"""Allows no more than the 48 tokens that it was traced with."""

from __future__ import annotations

from pathlib import Path

from acme_reference import plugin as good
from acme_reference.plugin import (  # noqa: F401 - hooks
    compile,
    devices,
    quantize,
    run,
    sensitivity,
    sparsify,
)

from hwcore.contract import Artifact, Component, Context, Draft, Options, hookimpl

KILLS = "EXP-001"
SAYS = "sequence was 1 to 6"


@hookimpl
def export(source: Artifact, capability: str, options: Options, out: Path, ctx: Context) -> Draft:
    draft: Draft = good.export(
        source=source, capability=capability, options=options, out=out, ctx=ctx
    )
    signature = source.component().signature
    dims = [d.model_copy(update={"max": min(d.max, 48)}) if d.max else d for d in signature.dims]
    component = Component(
        signature=signature.model_copy(update={"dims": tuple(dims)}), file="model.npz"
    )
    return draft.model_copy(update={"components": {"model": component}})
