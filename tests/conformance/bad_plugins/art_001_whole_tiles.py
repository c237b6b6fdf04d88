"""Knows matrices of whole tiles only, and finds out in the middle."""

from __future__ import annotations

from pathlib import Path

from acme_reference import plugin as good
from acme_reference import weights as w
from acme_reference.plugin import (  # noqa: F401 - hooks
    compile,
    devices,
    export,
    run,
    sensitivity,
    sparsify,
)

from hwcore.contract import Artifact, Context, Dataset, Draft, Options, hookimpl

KILLS = "ART-001"
SAYS = "cannot reshape array of size"
STOPS = True

TILE = 64


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
    if capability == "int8":
        for name, weight in w.read(source.component_file()).items():
            if w.linear(name):
                weight.reshape(-1, TILE, TILE)
    return good.quantize(
        source=source, capability=capability, options=options, data=data, out=out, ctx=ctx
    )
