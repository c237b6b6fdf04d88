"""Writes what it returns into memory that it uses again, each thread into its own."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from acme_reference import plugin as good
from acme_reference.plugin import (  # noqa: F401 - hooks
    compile,
    devices,
    export,
    quantize,
    sensitivity,
    sparsify,
)

from hwcore.contract import Array, Arrays, Artifact, Runner, Target, hookimpl

KILLS = "RUN-008"
SAYS = "changed with the next call"


class Bad:
    def __init__(self, runner: Runner) -> None:
        self._runner = runner
        self.signature = runner.signature
        self._here = threading.local()

    def __call__(self, inputs: Arrays, outputs: Sequence[str] | None = None) -> dict[str, Array]:
        found = self._runner(inputs, outputs)
        for name, array in found.items():
            kept = self._here.__dict__.setdefault(f"{name} {array.shape}", array)
            kept[...] = array
            found[name] = kept
        return found

    def close(self) -> None:
        self._runner.close()


@hookimpl
def run(artifact: Artifact, capability: str, target: Target) -> Runner:
    """``float64``, wrongly."""
    runner = good.run(artifact=artifact, capability=capability, target=target)
    return Bad(runner) if capability == "float64" else runner
