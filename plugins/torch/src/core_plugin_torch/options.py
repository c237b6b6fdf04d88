"""Options of each capability, and the JSON Schema of them that the manifest points to.

``python -m core_plugin_torch.options`` prints the schema; a test holds it equal to
``options.schema.json``.
"""

from __future__ import annotations

import json
from typing import Any

from core_plugin_torch.cluster.options import ClusterOptions
from core_plugin_torch.described import Described
from core_plugin_torch.lowrank.options import LowRankDataOptions, LowRankOptions
from core_plugin_torch.pt2e.options import DynamicOptions, StaticOptions
from core_plugin_torch.recovery.options import PruneRecoverOptions, QatOptions
from core_plugin_torch.run_options import (
    Bfloat16Options,
    CompileOptions,
    ExportOptions,
    Float32Options,
)
from core_plugin_torch.sensitivity.options import SensitivityOptions
from core_plugin_torch.sparsity.options import (
    DataOptions,
    MagnitudeOptions,
    StructuredDataOptions,
    StructuredOptions,
)

BY_CAPABILITY: dict[str, type[Described]] = {
    "sensitivity": SensitivityOptions,
    "magnitude": MagnitudeOptions,
    "wanda": DataOptions,
    "sparsegpt": DataOptions,
    "structured": StructuredOptions,
    "structured-data": StructuredDataOptions,
    "low-rank": LowRankOptions,
    "low-rank-data": LowRankDataOptions,
    "prune-recover": PruneRecoverOptions,
    "qat": QatOptions,
    "eager": Float32Options,
    "eager-bf16": Bfloat16Options,
    "export": ExportOptions,
    "exported": Float32Options,
    "int8-static": StaticOptions,
    "int8-dynamic": DynamicOptions,
    "cluster": ClusterOptions,
    "aoti": CompileOptions,
    "compiled": Float32Options,
}


def schemas() -> dict[str, dict[str, Any]]:
    """JSON Schema of the options, by capability id."""
    return {id: model.model_json_schema() for id, model in BY_CAPABILITY.items()}


def as_text() -> str:
    """What ``options.schema.json`` holds."""
    return json.dumps(schemas(), indent=2) + "\n"


if __name__ == "__main__":
    print(as_text(), end="")  # noqa: T201 - this is its output
