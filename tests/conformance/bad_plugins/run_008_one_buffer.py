"""Returns the same memory from every call."""

from __future__ import annotations

from typing import Any

from acme_hwcore.engine import Encoder
from acme_hwcore.plugin import export  # noqa: F401 - a hook

from hwcore.contract import Artifact, Runner, hookimpl

KILLS = "RUN-008"
SAYS = "changed with the next call"


class Bad(Encoder):
    kept: Any = None

    def __call__(self, inputs: Any, outputs: Any = None) -> dict[str, Any]:
        found = super().__call__(inputs)["last_hidden_state"]
        if self.kept is None or self.kept.shape != found.shape:
            self.kept = found
        self.kept[...] = found
        return {"last_hidden_state": self.kept}


@hookimpl
def run(artifact: Artifact) -> Runner:
    """``numpy``, wrongly."""
    return Bad(artifact.component_file(), artifact.component().signature)
