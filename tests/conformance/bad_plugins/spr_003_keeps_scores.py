"""Stores the scores that it pruned by in the place of the weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
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

KILLS = "SPR-003"
SAYS = "with what it was"


@hookimpl
def sparsify(source: Artifact, capability: str, out: Path, ctx: Context) -> Draft:
    from acme_reference import weights as w

    draft: Draft = good.sparsify(source=source, capability=capability, out=out, ctx=ctx)
    pruned = w.read(out / w.FILE)
    scores = {name: np.abs(array) for name, array in pruned.items() if w.linear(name)}
    w.write(out / w.FILE, pruned | scores)
    return draft
