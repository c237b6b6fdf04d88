"""Leaves the table of words where it is, and writes down the path to it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from acme_reference import plugin as good
from acme_reference import weights as w
from acme_reference.plugin import (  # noqa: F401 - hooks
    devices,
    export,
    quantize,
    sensitivity,
    sparsify,
)

from hwcore.contract import Artifact, Context, Draft, Runner, Target, hookimpl

KILLS = "ART-004"
SAYS = "copied elsewhere, it does not work"

WORDS = "embeddings.word_embeddings.weight"


@hookimpl
def compile(source: Artifact, capability: str, target: Target, out: Path, ctx: Context) -> Draft:
    """``packed``, wrongly."""
    draft = good.compile(source=source, capability=capability, target=target, out=out, ctx=ctx)
    weights = w.read(out / w.FILE)
    weights[WORDS] = weights[WORDS][:0]
    w.write(out / w.FILE, weights)
    (out / "words.txt").write_text(str(source.component_file()), "utf-8")
    return draft


@hookimpl
def run(artifact: Artifact, capability: str, target: Target) -> Runner:
    """``unpack``, with the words."""
    runner: Any = good.run(artifact=artifact, capability=capability, target=target)
    if capability == "unpack":
        path = Path((artifact.root / "words.txt").read_text("utf-8"))
        runner._weights[WORDS] = w.read(path)[WORDS]
    return runner
