"""Writes a summary in the background, and does not wait for it."""

from __future__ import annotations

import threading
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

KILLS = "ART-007"
SAYS = "summary.txt in `out` changes after the hook has returned"


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
    if capability == "int8":
        threading.Timer(0.3, (out / "summary.txt").write_text, ["done\n"]).start()
    return draft
