"""Leaves the token types out, which "are always zero"."""

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

from hwcore.contract import Artifact, Context, Draft, Options, hookimpl

KILLS = "EXP-002"
SAYS = "output 'last_hidden_state' is off by"


@hookimpl
def export(source: Artifact, capability: str, options: Options, out: Path, ctx: Context) -> Draft:
    from acme_reference import weights as w

    draft: Draft = good.export(
        source=source, capability=capability, options=options, out=out, ctx=ctx
    )
    weights = w.read(out / w.FILE)
    weights["embeddings.token_type_embeddings.weight"][:] = 0
    w.write(out / w.FILE, weights)
    return draft
