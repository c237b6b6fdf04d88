"""Keeps every answer that it ever gave."""

from __future__ import annotations

from typing import Any

import numpy as np
from acme_hwcore.engine import Encoder
from acme_hwcore.plugin import export  # noqa: F401 - a hook

from hwcore.contract import Artifact, Runner, hookimpl

KILLS = "RUN-012"
SAYS = "that were not given back"


class Bad(Encoder):
    hoard: Any = None

    def __call__(self, inputs: Any, outputs: Any = None) -> dict[str, Any]:
        self.hoard = [*(self.hoard or ()), np.ones(1 << 15)]
        return super().__call__(inputs)


@hookimpl
def run(artifact: Artifact) -> Runner:
    """``numpy``, wrongly."""
    return Bad(artifact.component_file(), artifact.component().signature)
