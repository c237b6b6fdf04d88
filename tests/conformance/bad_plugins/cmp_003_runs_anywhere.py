"""Loads what was compiled for other hardware, and hopes."""

from __future__ import annotations

from acme_reference import plugin as good
from acme_reference.plugin import (  # noqa: F401 - hooks
    compile,
    devices,
    export,
    quantize,
    sensitivity,
    sparsify,
)

from hwcore.contract import Artifact, Runner, Target, hookimpl

KILLS = "CMP-003"
SAYS = "one made for other hardware is loaded"


@hookimpl
def run(artifact: Artifact, capability: str, target: Target) -> Runner:
    traits = artifact.traits.model_copy(update={"bound_to": None})
    manifest = artifact.manifest.model_copy(update={"traits": traits})
    unbound = artifact.model_copy(update={"manifest": manifest})
    return good.run(artifact=unbound, capability=capability, target=target)
