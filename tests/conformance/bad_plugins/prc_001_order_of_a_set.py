"""Writes weights in the order of a set, which is another one in every process."""

from __future__ import annotations

import zipfile
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

KILLS = "PRC-001"
SAYS = "made in a worker, model.npz differs"


@hookimpl
def sparsify(source: Artifact, capability: str, out: Path, ctx: Context) -> Draft:
    """``two-of-four``, wrongly."""
    draft = good.sparsify(source=source, capability=capability, out=out, ctx=ctx)
    file = out / "model.npz"
    with zipfile.ZipFile(file) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(file, "w") as archive:
        for name in set(members):
            archive.writestr(zipfile.ZipInfo(name), members[name])
    return draft
