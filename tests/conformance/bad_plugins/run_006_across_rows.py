"""Scales by the largest value of the whole batch, and is honest about being lossy."""

from __future__ import annotations

from typing import Any

import numpy as np
from acme_hwcore.engine import Encoder
from acme_hwcore.plugin import export  # noqa: F401 - a hook

from hwcore.contract import Artifact, Runner, hookimpl

KILLS = "RUN-006"
SAYS = "alone: output"
PATCHES = {
    "hwcore-plugin.toml": [
        'inputs = [{ format = "acme-npz" }]\nlossless = true\nreference = true',
        'inputs = [{ format = "acme-npz" }]\nlossless = false',
    ]
}


class Bad(Encoder):
    def __call__(self, inputs: Any, outputs: Any = None) -> dict[str, Any]:
        found = super().__call__(inputs)["last_hidden_state"]
        step = np.abs(found).max() / np.float32(7)
        return {"last_hidden_state": np.round(found / step) * step}


@hookimpl
def run(artifact: Artifact) -> Runner:
    """``numpy``, wrongly."""
    return Bad(artifact.component_file(), artifact.component().signature)
