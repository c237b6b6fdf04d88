"""Cannot load what it exports."""

from __future__ import annotations

from acme_hwcore.plugin import export  # noqa: F401 - a hook

from hwcore.contract import Artifact, Runner, hookimpl

KILLS = "RUN-001"
SAYS = "ValueError: no such layer"
STOPS = True


@hookimpl
def run(artifact: Artifact) -> Runner:
    raise ValueError("no such layer")
