"""Cuts sequences to the longest that it takes, and counts that one short."""

from __future__ import annotations

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

KILLS = "RUN-014"
SAYS = "at batch 1, sequence 64: output 'last_hidden_state' has the shape (1, 63, "


class Bad:
    def __init__(self, runner: Runner) -> None:
        self._runner = runner
        self.signature = runner.signature

    def __call__(self, inputs: Arrays, outputs: Sequence[str] | None = None) -> dict[str, Array]:
        longest = self.signature.dim("sequence").max - 1
        return self._runner({name: array[:, :longest] for name, array in inputs.items()}, outputs)

    def close(self) -> None:
        self._runner.close()


@hookimpl
def run(artifact: Artifact, capability: str, target: Target) -> Runner:
    """``float64``, wrongly."""
    runner = good.run(artifact=artifact, capability=capability, target=target)
    return Bad(runner) if capability == "float64" else runner
