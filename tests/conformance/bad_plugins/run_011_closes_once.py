"""Fails when it is closed again."""

from __future__ import annotations

from acme_hwcore.engine import Encoder
from acme_hwcore.plugin import export  # noqa: F401 - a hook

from hwcore.contract import Artifact, Runner, hookimpl

KILLS = "RUN-011"
SAYS = "closed twice, it raises RuntimeError: it is closed"


class Bad(Encoder):
    closed = False

    def close(self) -> None:
        if self.closed:
            raise RuntimeError("it is closed")
        self.closed = True


@hookimpl
def run(artifact: Artifact) -> Runner:
    """``numpy``, wrongly."""
    return Bad(artifact.component_file(), artifact.component().signature)
