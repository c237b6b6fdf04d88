"""Turns the mask that it was given around in place."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
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

KILLS = "RUN-009"
SAYS = "the input 'attention_mask' was written to"


class Bad:
    def __init__(self, runner: Runner) -> None:
        self._runner = runner
        self.signature = runner.signature

    def __call__(self, inputs: Arrays, outputs: Sequence[str] | None = None) -> dict[str, Array]:
        found = self._runner(inputs, outputs)
        np.subtract(1, inputs["attention_mask"], out=inputs["attention_mask"])
        return found

    def close(self) -> None:
        self._runner.close()


@hookimpl
def run(artifact: Artifact, capability: str, target: Target) -> Runner:
    """``float64``, wrongly."""
    runner = good.run(artifact=artifact, capability=capability, target=target)
    return Bad(runner) if capability == "float64" else runner
