"""Has a path of its own for a single row, which looks at no more than its last tokens."""

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

KILLS = "RUN-006"
SAYS = "row 0 of 3 alone: output"
LONGEST = 8


class Bad:
    def __init__(self, runner: Runner) -> None:
        self._runner = runner
        self.signature = runner.signature

    def __call__(self, inputs: Arrays, outputs: Sequence[str] | None = None) -> dict[str, Array]:
        mask = inputs["attention_mask"]
        if len(mask) == 1 and mask.shape[1] > LONGEST:
            mask = mask.copy()
            mask[:, :-LONGEST] = 0
        return self._runner({**inputs, "attention_mask": mask}, outputs)

    def close(self) -> None:
        self._runner.close()


@hookimpl
def run(artifact: Artifact, capability: str, target: Target) -> Runner:
    """``float64``, wrongly."""
    runner = good.run(artifact=artifact, capability=capability, target=target)
    return Bad(runner) if capability == "float64" else runner
