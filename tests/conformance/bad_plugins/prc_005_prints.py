"""Says what it does where the program's own output goes."""

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

KILLS = "PRC-005"
SAYS = "it writes 22 bytes to standard output: 'acme: pruning 2:4 …"


@hookimpl
def sparsify(source: Artifact, capability: str, out: Path, ctx: Context) -> Draft:
    """``two-of-four``, wrongly."""
    print("acme: pruning 2:4 …")  # noqa: T201 - what is wrong here
    return good.sparsify(source=source, capability=capability, out=out, ctx=ctx)
