"""Says what it cannot do, and not what could be done."""

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

from hwcore.contract import Artifact, Context, Draft, Options, UserError, hookimpl

KILLS = "ERR-002"
SAYS = "this one's is 'roberta'\" - and no hint at what to do"


@hookimpl
def export(source: Artifact, capability: str, options: Options, out: Path, ctx: Context) -> Draft:
    """``npz``, wrongly."""
    try:
        return good.export(source=source, capability=capability, options=options, out=out, ctx=ctx)
    except UserError as error:
        raise UserError(error.message) from error
