"""Counts each of its two passes from zero."""

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

KILLS = "PRC-002"
SAYS = "it goes back: 0, 0.5, 1, 0, 0.5, 1"


@hookimpl
def sparsify(source: Artifact, capability: str, out: Path, ctx: Context) -> Draft:
    """``two-of-four``, wrongly."""
    for step in ("looking for weights", "pruning"):
        for done in range(3):
            ctx.progress(done / 2, step)
    return good.sparsify(source=source, capability=capability, out=out, ctx=ctx)
