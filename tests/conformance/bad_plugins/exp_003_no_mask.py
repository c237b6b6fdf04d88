"""Its engine looks at all tokens: in its vendor's tests there was no padding."""

from __future__ import annotations

from typing import Any

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

KILLS = "EXP-003"
SAYS = "a row of 33 padded to 40"


class Unmasked:
    """A runner that hands on a mask of ones."""

    def __init__(self, runner: Any) -> None:
        self._runner = runner

    def __getattr__(self, name: str) -> Any:
        return getattr(self._runner, name)

    def __call__(self, inputs: Arrays, outputs: Any = None) -> dict[str, Array]:
        mask = np.ones_like(inputs["attention_mask"])
        found: dict[str, Array] = self._runner({**inputs, "attention_mask": mask}, outputs)
        return found


@hookimpl
def run(artifact: Artifact, capability: str, target: Target) -> Runner:
    return Unmasked(good.run(artifact=artifact, capability=capability, target=target))
