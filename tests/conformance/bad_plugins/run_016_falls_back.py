"""Runs on the CPU where its device does not take the model."""

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

KILLS = "RUN-016"
SAYS = "its target is of the kind npu, and it runs on 'cpu'"


class Bad:
    device = "cpu"

    def __init__(self, runner: Runner) -> None:
        self._runner = runner
        self.signature = runner.signature

    def __call__(self, inputs: Arrays, outputs: Sequence[str] | None = None) -> dict[str, Array]:
        return self._runner(inputs, outputs)

    def close(self) -> None:
        self._runner.close()


@hookimpl
def run(artifact: Artifact, capability: str, target: Target) -> Runner:
    """``simulated``, wrongly."""
    runner = good.run(artifact=artifact, capability=capability, target=target)
    return Bad(runner) if capability == "simulated" else runner
