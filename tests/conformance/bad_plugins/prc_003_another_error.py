"""Ends a step that was stopped with an error of its own, which looks like a failure."""

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

KILLS = "PRC-003"
SAYS = "told that it is cancelled, it raises RuntimeError('stopped')"


@hookimpl
def sparsify(source: Artifact, capability: str, out: Path, ctx: Context) -> Draft:
    """``two-of-four``, wrongly."""
    if ctx.cancelled():
        raise RuntimeError("stopped")
    return good.sparsify(source=source, capability=capability, out=out, ctx=ctx)
