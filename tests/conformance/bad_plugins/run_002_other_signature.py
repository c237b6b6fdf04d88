"""Lists its inputs in another order."""

from __future__ import annotations

from typing import Any

from acme_hwcore.engine import Encoder
from acme_hwcore.plugin import export  # noqa: F401 - a hook

from hwcore.contract import Artifact, Runner, hookimpl

KILLS = "RUN-002"
SAYS = "its inputs are"


class Bad(Encoder):
    def __init__(self, file: Any, signature: Any) -> None:
        inputs = tuple(reversed(signature.inputs))
        super().__init__(file, signature.model_copy(update={"inputs": inputs}))


@hookimpl
def run(artifact: Artifact) -> Runner:
    """``numpy``, wrongly."""
    return Bad(artifact.component_file(), artifact.component().signature)
