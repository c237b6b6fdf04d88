"""Rounds to odd numbers of half steps, and zero is none of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
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

KILLS = "SPR-002"
SAYS = "of its source, 0 are left"


@hookimpl
def quantize(
    source: Artifact,
    capability: str,
    options: Options,
    data: Dataset | None,
    out: Path,
    ctx: Context,
) -> Draft:
    from acme_reference import weights as w

    draft: Draft = good.quantize(
        source=source, capability=capability, options=options, data=data, out=out, ctx=ctx
    )
    made = w.read(out / w.FILE)
    for name in filter(w.linear, made):
        steps = made[name]
        made[name] = np.where(steps.any(axis=1, keepdims=True), steps // 2 * 2 + 1, 0)
    w.write(out / w.FILE, {name: np.asarray(array) for name, array in made.items()})
    return draft
