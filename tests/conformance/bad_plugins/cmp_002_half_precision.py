"""Packs weights in half precision, and calls that lossless."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from acme_reference import plugin as good
from acme_reference.plugin import (  # noqa: F401 - hooks
    devices,
    export,
    quantize,
    run,
    sensitivity,
    sparsify,
)

from hwcore.contract import Artifact, Context, Draft, Target, hookimpl

KILLS = "CMP-002"
SAYS = "output 'last_hidden_state' is off by"


@hookimpl
def compile(source: Artifact, capability: str, target: Target, out: Path, ctx: Context) -> Draft:
    from acme_reference import weights as w

    draft: Draft = good.compile(
        source=source, capability=capability, target=target, out=out, ctx=ctx
    )
    made = w.read(out / w.FILE)
    half = {name: array.astype(np.float16) for name, array in made.items() if w.linear(name)}
    w.write(out / w.FILE, made | half)
    return draft
