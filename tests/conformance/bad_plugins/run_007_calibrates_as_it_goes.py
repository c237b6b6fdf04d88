"""Rounds in steps of the largest value it has seen so far, and is honest about that."""

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

KILLS = "RUN-007"
SAYS = "the first call repeated after others"
PATCHES = {
    "hwcore-plugin.toml": [
        'summary = "The same in float64."\ninputs = [{ format = "acme-npz", '
        'quantization = ["none"] }]\nlossless = true',
        'summary = "The same in float64."\ninputs = [{ format = "acme-npz", '
        'quantization = ["none"] }]\nlossless = false',
    ]
}


class Bad:
    def __init__(self, runner: Runner) -> None:
        self._runner = runner
        self.signature = runner.signature
        self._largest = np.float32(0)

    def __call__(self, inputs: Arrays, outputs: Sequence[str] | None = None) -> dict[str, Array]:
        found = self._runner(inputs, outputs)
        self._largest = max(self._largest, *(np.abs(array).max() for array in found.values()))
        step = self._largest / np.float32(127)
        return {name: np.round(array / step) * step for name, array in found.items()}

    def close(self) -> None:
        self._runner.close()


@hookimpl
def run(artifact: Artifact, capability: str, target: Target) -> Runner:
    """``float64``, wrongly."""
    runner = good.run(artifact=artifact, capability=capability, target=target)
    return Bad(runner) if capability == "float64" else runner
