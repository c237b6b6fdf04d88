"""Leaves the traits out of its draft, where its scheme would stand."""

from __future__ import annotations

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

KILLS = "ART-003"
SAYS = "its draft says quantization None; int8 promises 'int8-weight'"
STOPS = True


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
    if capability != "int8":
        return draft
    return Draft(format=draft.format, components=draft.components, facts=draft.facts)
