"""Its scale has 128 steps, and 128 wraps around to -128 in eight bits."""

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

KILLS = "QNT-004"
SAYS = "is off by"


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
    weights, made = w.read(source.component_file()), w.read(out / w.FILE)
    for name in filter(w.linear, weights):
        scale = made[f"{name}.scale"] * np.float32(127 / 128)
        made[f"{name}.scale"] = scale
        made[name] = np.round(weights[name] / scale).astype(np.int16).astype(np.int8)
    w.write(out / w.FILE, made)
    return draft
