"""Reads a model's config with the code that comes with it."""

from __future__ import annotations

from pathlib import Path

from acme_reference import plugin as good
from acme_reference.plugin import (  # noqa: F401 - hooks
    compile,
    devices,
    quantize,
    run,
    sensitivity,
    sparsify,
)

from hwcore.contract import Artifact, Context, Draft, Options, hookimpl

KILLS = "SAF-006"
SAYS = "it ran modeling_hwcore_conformance.py, which came with the model"


@hookimpl
def export(source: Artifact, capability: str, options: Options, out: Path, ctx: Context) -> Draft:
    """``npz``, wrongly."""
    import transformers

    transformers.AutoConfig.from_pretrained(source.root, trust_remote_code=True)
    return good.export(source=source, capability=capability, options=options, out=out, ctx=ctx)
