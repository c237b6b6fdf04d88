"""Locks a model by a file beside it, which a killed process leaves there."""

from __future__ import annotations

import time
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

KILLS = "ART-008"
SAYS = "after a kill, it raises FileExistsError"


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
    if capability != "int8":
        return good.quantize(
            source=source, capability=capability, options=options, data=data, out=out, ctx=ctx
        )
    lock = source.component_file().with_suffix(".lock")
    lock.touch(exist_ok=False)
    try:
        ctx.progress(0.0, "looking at the model")
        time.sleep(0.05)
        return good.quantize(
            source=source, capability=capability, options=options, data=data, out=out, ctx=ctx
        )
    finally:
        lock.unlink()
