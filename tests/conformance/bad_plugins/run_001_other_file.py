"""Opens the file by the name that it had in an earlier release."""

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

KILLS = "RUN-001"
SAYS = "No such file or directory"
STOPS = True


@hookimpl
def run(artifact: Artifact, capability: str, target: Target) -> Runner:
    """``float64``, wrongly."""
    if capability == "float64":
        from acme_reference.engine import Stored

        return Stored(artifact.root / "weights.npz", artifact.component().signature)
    return good.run(artifact=artifact, capability=capability, target=target)
