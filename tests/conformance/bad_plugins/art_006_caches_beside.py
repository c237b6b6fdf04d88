"""Keeps what it found out about a model beside it, for the next time."""

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

KILLS = "ART-006"
SAYS = "it changes model.npz.ranges in what it is given"


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
        file = source.component_file()
        file.with_name(f"{file.name}.ranges").write_text("{}\n")
    return good.quantize(
        source=source, capability=capability, options=options, data=data, out=out, ctx=ctx
    )
