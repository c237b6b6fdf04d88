"""Writes its file with one call, and never looks at how much of it was written."""

from __future__ import annotations

import io
import os
from pathlib import Path

from acme_reference.plugin import (  # noqa: F401 - hooks
    compile,
    devices,
    export,
    quantize,
    run,
    sensitivity,
)

from hwcore.contract import Artifact, Cancelled, Context, Draft, Sparsity, UserError, hookimpl

KILLS = "ERR-004"
SAYS = "its files are cut off, and it goes on"


@hookimpl
def sparsify(source: Artifact, capability: str, out: Path, ctx: Context) -> Draft:
    """``two-of-four``, wrongly."""
    import numpy as np
    from acme_reference import weights as w

    if capability != "two-of-four":
        raise UserError(f"no capability {capability!r}", hint="Name one of the manifest.")
    if ctx.cancelled():
        raise Cancelled("the step was stopped")
    stream = io.BytesIO()
    np.savez(stream, **w.pruned(w.read(source.component_file())))
    file = os.open(out / w.FILE, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.write(file, stream.getbuffer())
    os.close(file)
    traits = source.traits.model_copy(update={"sparsity": Sparsity(pattern="2:4", share=0.5)})
    return Draft(format=source.format, traits=traits)
