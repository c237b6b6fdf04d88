"""Lists its inputs in the order of its engine, which is the alphabet's."""

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

KILLS = "RUN-002"
SAYS = "its inputs are"


class Bad:
    def __init__(self, runner: Runner) -> None:
        inputs = tuple(sorted(runner.signature.inputs, key=lambda spec: spec.name))
        self._runner = runner
        self.signature = runner.signature.model_copy(update={"inputs": inputs})

    def __call__(self, inputs: Arrays, outputs: Sequence[str] | None = None) -> dict[str, Array]:
        return self._runner(inputs, outputs)

    def close(self) -> None:
        self._runner.close()


@hookimpl
def run(artifact: Artifact, capability: str, target: Target) -> Runner:
    """``float64``, wrongly."""
    runner = good.run(artifact=artifact, capability=capability, target=target)
    return Bad(runner) if capability == "float64" else runner
