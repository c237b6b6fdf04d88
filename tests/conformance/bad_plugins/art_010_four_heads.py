"""Takes four heads for granted, as the models that it was tried on have."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from acme_reference import plugin as good
from acme_reference import weights as w
from acme_reference.plugin import (  # noqa: F401 - hooks
    compile,
    devices,
    quantize,
    run,
    sensitivity,
    sparsify,
)

from hwcore.contract import Artifact, Context, Draft, Options, hookimpl

KILLS = "ART-010"
SAYS = "minilm-feature-extraction, 1 × 7: output 'last_hidden_state' is off by"
FAMILIES = ("bert", "roberta", "minilm")


@hookimpl
def export(source: Artifact, capability: str, options: Options, out: Path, ctx: Context) -> Draft:
    draft = good.export(source=source, capability=capability, options=options, out=out, ctx=ctx)
    weights = w.read(out / w.FILE)
    if int(weights["heads"]) != 4:
        w.write(out / w.FILE, weights | {"heads": np.int64(4)})
    return draft
