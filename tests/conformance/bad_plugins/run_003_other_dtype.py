"""Computes in float64, and returns that."""

from __future__ import annotations

from typing import Any

import numpy as np
from acme_hwcore.engine import Encoder
from acme_hwcore.plugin import export  # noqa: F401 - a hook

from hwcore.contract import Artifact, Runner, hookimpl

KILLS = "RUN-003"
SAYS = "as float64 of 3 dimensions"
STOPS = True


class Bad(Encoder):
    def __call__(self, inputs: Any, outputs: Any = None) -> dict[str, Any]:
        found = super().__call__(inputs)
        return {name: array.astype(np.float64) for name, array in found.items()}


@hookimpl
def run(artifact: Artifact) -> Runner:
    """``numpy``, wrongly."""
    return Bad(artifact.component_file(), artifact.component().signature)
