"""Sets how many threads all libraries of the process take, once and for all."""

from __future__ import annotations

import os
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

KILLS = "SAF-004"
SAYS = "it changes the variable MKL_NUM_THREADS"


@hookimpl
def sparsify(source: Artifact, capability: str, out: Path, ctx: Context) -> Draft:
    """``two-of-four``, wrongly."""
    os.environ["MKL_NUM_THREADS"] = str(ctx.threads)
    return good.sparsify(source=source, capability=capability, out=out, ctx=ctx)
