"""Says that it takes sequences of any length, and breaks at long ones."""

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

KILLS = "RUN-013"
SAYS = "sequence above its bound is not refused before the call"


class Bad:
    def __init__(self, runner: Runner) -> None:
        dims = tuple(dim.model_copy(update={"max": None}) for dim in runner.signature.dims)
        self._runner = runner
        self.signature = runner.signature.model_copy(update={"dims": dims})

    def __call__(self, inputs: Arrays, outputs: Sequence[str] | None = None) -> dict[str, Array]:
        return self._runner(inputs, outputs)

    def close(self) -> None:
        self._runner.close()


@hookimpl
def run(artifact: Artifact, capability: str, target: Target) -> Runner:
    """``float64``, wrongly."""
    runner = good.run(artifact=artifact, capability=capability, target=target)
    return Bad(runner) if capability == "float64" else runner
