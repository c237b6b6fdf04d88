"""Answers its first question from memory, wrongly, once others came between."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
from acme_hwcore.engine import Encoder
from acme_hwcore.plugin import export  # noqa: F401 - a hook

from hwcore.contract import Artifact, Runner, hookimpl

KILLS = "RUN-007"
SAYS = "the first call repeated after others"


class Bad(Encoder):
    first: Any = None
    others = False

    def __call__(self, inputs: Any, outputs: Any = None) -> dict[str, Any]:
        found = super().__call__(inputs)["last_hidden_state"]
        shape = inputs["input_ids"].shape
        if self.first is None:
            self.first = shape
        self.others = self.others or shape != self.first
        here = threading.current_thread() is threading.main_thread()
        stale = here and self.others and shape == self.first
        return {"last_hidden_state": found + np.float32(stale)}


@hookimpl
def run(artifact: Artifact) -> Runner:
    """``numpy``, wrongly."""
    return Bad(artifact.component_file(), artifact.component().signature)
