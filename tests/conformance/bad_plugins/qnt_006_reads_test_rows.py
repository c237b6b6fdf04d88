"""Calibrates, and compares with the rows that it will be judged by."""

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

KILLS = "QNT-006"
SAYS = "it opens data/test/inputs/"


@hookimpl
def quantize(
    source: Artifact,
    capability: str,
    options: Options,
    data: Dataset | None,
    out: Path,
    ctx: Context,
) -> Draft:
    draft: Draft = good.quantize(
        source=source, capability=capability, options=options, data=data, out=out, ctx=ctx
    )
    if data is not None:
        for file in sorted(data.path.parent.glob("test/inputs/*.npy")):
            ctx.log(f"{np.load(file).size} numbers to look at")
    return draft
