"""Opens files by a function of C that takes names of 8 bits."""

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

KILLS = "ART-009"
SAYS = "there, it raises UnicodeEncodeError"


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
        str(source.component_file()).encode("ascii")
    return good.quantize(
        source=source, capability=capability, options=options, data=data, out=out, ctx=ctx
    )
