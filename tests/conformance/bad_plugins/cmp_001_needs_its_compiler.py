"""What it compiled loads only where its compiler was started before."""

from __future__ import annotations

from pathlib import Path

from acme_reference import plugin as good
from acme_reference.plugin import (  # noqa: F401 - hooks
    devices,
    export,
    quantize,
    sensitivity,
    sparsify,
)

from hwcore.contract import Artifact, Context, Draft, Runner, Target, hookimpl

KILLS = "CMP-001"
SAYS = "in a fresh process: "
STOPS = True

_started: list[str] = []


@hookimpl
def compile(source: Artifact, capability: str, target: Target, out: Path, ctx: Context) -> Draft:
    _started.append(target.fingerprint)
    draft: Draft = good.compile(
        source=source, capability=capability, target=target, out=out, ctx=ctx
    )
    return draft


@hookimpl
def run(artifact: Artifact, capability: str, target: Target) -> Runner:
    if artifact.traits.bound_to == target.fingerprint and not _started:
        raise RuntimeError("ACME_ERROR_NOT_INITIALIZED (17)")
    return good.run(artifact=artifact, capability=capability, target=target)
