"""Keeps a file of its own in the user's home."""

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

KILLS = "SAF-002"
SAYS = "it writes ~/.acme/last.txt"


@hookimpl
def sparsify(source: Artifact, capability: str, out: Path, ctx: Context) -> Draft:
    """``two-of-four``, wrongly."""
    own = Path.home() / ".acme"
    own.mkdir(exist_ok=True)
    (own / "last.txt").write_text("two-of-four")
    return good.sparsify(source=source, capability=capability, out=out, ctx=ctx)
