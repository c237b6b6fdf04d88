"""Takes activations for at most 8, whatever the rows say."""

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

KILLS = "QNT-003"
SAYS = "two datasets give the same files"


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
    ranges = {name: np.float32(8) for name in made if name.endswith(".range")}
    w.write(out / w.FILE, made | ranges)
    return draft
