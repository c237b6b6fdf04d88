"""Keeps what it knows of the weights beside them, as a pickle."""

from __future__ import annotations

import pickle
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

KILLS = "SAF-001"
SAYS = "masks.bin holds a pickle"


@hookimpl
def sparsify(source: Artifact, capability: str, out: Path, ctx: Context) -> Draft:
    """``two-of-four``, wrongly."""
    draft = good.sparsify(source=source, capability=capability, out=out, ctx=ctx)
    (out / "masks.bin").write_bytes(pickle.dumps({"pattern": "2:4", "share": 0.5}))
    return draft
