"""Keeps what it works on in itself, and looks at it again."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from acme_hwcore.engine import Encoder
from acme_hwcore.plugin import export  # noqa: F401 - a hook

from hwcore.contract import Artifact, Runner, hookimpl

KILLS = "RUN-010"
SAYS = "called from 4 threads"


class Bad(Encoder):
    def __call__(self, inputs: Any, outputs: Any = None) -> dict[str, Any]:
        self.question = inputs
        found = super().__call__(inputs)["last_hidden_state"]
        time.sleep(0.002)
        return {"last_hidden_state": found + np.float32(self.question is not inputs)}


@hookimpl
def run(artifact: Artifact) -> Runner:
    """``numpy``, wrongly."""
    return Bad(artifact.component_file(), artifact.component().signature)
