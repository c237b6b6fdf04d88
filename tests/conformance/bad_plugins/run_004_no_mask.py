"""Looks at padding, too."""

from __future__ import annotations

from typing import Any

import numpy as np
from acme_hwcore.engine import Encoder
from acme_hwcore.plugin import export  # noqa: F401 - a hook

from hwcore.contract import Artifact, Runner, hookimpl

KILLS = "RUN-004"
SAYS = "bert-feature-extraction, 3 × 33: output"


class Bad(Encoder):
    def __call__(self, inputs: Any, outputs: Any = None) -> dict[str, Any]:
        mask = np.ones_like(inputs["attention_mask"])
        return super().__call__({**inputs, "attention_mask": mask})


@hookimpl
def run(artifact: Artifact) -> Runner:
    """``numpy``, wrongly."""
    return Bad(artifact.component_file(), artifact.component().signature)
