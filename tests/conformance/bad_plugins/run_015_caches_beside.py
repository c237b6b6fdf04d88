"""Keeps what it found out about a model beside it, for the next time."""

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

KILLS = "RUN-015"
SAYS = "running it changes model.npz.plan in the artifact's folder"


@hookimpl
def run(artifact: Artifact, capability: str, target: Target) -> Runner:
    """``float64``, wrongly."""
    if capability == "float64":
        file = artifact.component_file()
        file.with_name(f"{file.name}.plan").write_text("threads = 1\n")
    return good.run(artifact=artifact, capability=capability, target=target)
