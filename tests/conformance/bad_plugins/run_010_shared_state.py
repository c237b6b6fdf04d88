"""Sets the inputs of its one request, then runs that: between the two, another call may come."""

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

KILLS = "RUN-010"
SAYS = "called from 4 threads"


class Bad:
    def __init__(self, runner: Runner) -> None:
        self._runner = runner
        self.signature = runner.signature
        self._tensors: dict[str, Array] = {}

    def __call__(self, inputs: Arrays, outputs: Sequence[str] | None = None) -> dict[str, Array]:
        for name, array in inputs.items():
            self._tensors[name] = array
        return self._infer(outputs)

    def _infer(self, outputs: Sequence[str] | None) -> dict[str, Array]:
        return self._runner(self._tensors, outputs)

    def close(self) -> None:
        self._runner.close()


@hookimpl
def run(artifact: Artifact, capability: str, target: Target) -> Runner:
    """``float64``, wrongly."""
    runner = good.run(artifact=artifact, capability=capability, target=target)
    return Bad(runner) if capability == "float64" else runner
