"""Takes every id that it does not know for the one that it began with."""

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

KILLS = "ERR-005"
SAYS = "asked for 'hwcore-no-such-capability', it goes on"


@hookimpl
def sparsify(source: Artifact, capability: str, out: Path, ctx: Context) -> Draft:
    """``two-of-four``, and whatever else it is asked for."""
    return good.sparsify(source=source, capability="two-of-four", out=out, ctx=ctx)
