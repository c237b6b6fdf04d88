"""Reorders the keys of its cache, and leaves the values as they were."""

from __future__ import annotations

from acme_reference import plugin as good
from acme_reference.decoder import Decoder, Session
from acme_reference.plugin import (  # noqa: F401 - hooks
    compile,
    devices,
    export,
    quantize,
    sensitivity,
    sparsify,
)

from hwcore.contract import Array, Artifact, Runner, Target, hookimpl

KILLS = "RUN-017"
SAYS = "token 9 of 16, after rows were reordered is off by"
FAMILIES = ("gpt2",)


class Bad(Session):
    def reorder(self, rows: Array) -> None:
        self.past = [(keys[rows], values) for keys, values in self.past]


class Stateful(Decoder):
    def session(self, batch: int, max_tokens: int) -> Session:
        return Bad(self, batch)


@hookimpl
def run(artifact: Artifact, capability: str, target: Target) -> Runner:
    if capability == "decode":
        return Stateful(artifact.component_file(), artifact.component().signature)
    return good.run(artifact=artifact, capability=capability, target=target)
