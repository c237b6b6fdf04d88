"""Prunes two of four neighbours along the outputs, where no kernel looks for them."""

from __future__ import annotations

from pathlib import Path

from acme_reference import plugin as good
from acme_reference.plugin import (  # noqa: F401 - hooks
    compile,
    devices,
    export,
    quantize,
    run,
    sensitivity,
)

from hwcore.contract import Artifact, Context, Draft, hookimpl

KILLS = "SPR-001"
SAYS = "do not follow 2:4"


@hookimpl
def sparsify(source: Artifact, capability: str, out: Path, ctx: Context) -> Draft:
    from acme_reference import weights as w

    draft: Draft = good.sparsify(source=source, capability=capability, out=out, ctx=ctx)
    weights = w.read(source.component_file())
    turned = w.pruned({name: array.T for name, array in weights.items() if w.linear(name)})
    w.write(out / w.FILE, weights | {name: array.T.copy() for name, array in turned.items()})
    return draft
