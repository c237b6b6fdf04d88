"""Refuses a model with all that its library said."""

from __future__ import annotations

import traceback
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

KILLS = "ERR-003"
SAYS = "lines, 'cannot export:"


@hookimpl
def export(source: Artifact, capability: str, options: Options, out: Path, ctx: Context) -> Draft:
    """``npz``, wrongly."""
    try:
        return good.export(source=source, capability=capability, options=options, out=out, ctx=ctx)
    except UserError as error:
        said = traceback.format_exc()
        raise UserError(f"cannot export:\n{said}", hint="Export it with another plugin.") from error
