"""Passes on what it cannot read, for the engine to complain about."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from acme_reference import plugin as good
from acme_reference.plugin import (  # noqa: F401 - hooks
    compile,
    devices,
    export,
    quantize,
    run,
    sensitivity,
)

from hwcore.contract import Artifact, ArtifactCorrupt, Context, Draft, hookimpl

KILLS = "ERR-001"
SAYS = "half of its source's largest file is missing, and it goes on"


@hookimpl
def sparsify(source: Artifact, capability: str, out: Path, ctx: Context) -> Draft:
    """``two-of-four``, wrongly."""
    given: dict[str, Any] = {"source": source, "capability": capability, "out": out, "ctx": ctx}
    try:
        return good.sparsify(**given)
    except ArtifactCorrupt:
        shutil.copy(source.component_file(), out)
        return Draft(format=source.format, traits=source.traits)
