"""Clears the mask that it was given."""

from __future__ import annotations

from typing import Any

from acme_hwcore.engine import Encoder
from acme_hwcore.plugin import export  # noqa: F401 - a hook

from hwcore.contract import Artifact, Runner, hookimpl

KILLS = "RUN-009"
SAYS = "the input 'attention_mask' was written to"


class Bad(Encoder):
    def __call__(self, inputs: Any, outputs: Any = None) -> dict[str, Any]:
        found = super().__call__(inputs)
        inputs["attention_mask"][...] = 0
        return found


@hookimpl
def run(artifact: Artifact) -> Runner:
    """``numpy``, wrongly."""
    return Bad(artifact.component_file(), artifact.component().signature)
