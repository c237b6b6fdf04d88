"""Options of each capability, and the JSON Schema of them that the manifest points to.

``python -m core_plugin_torch.options`` prints the schema; a test holds it equal to
``options.schema.json``.
"""

from __future__ import annotations

import json
from typing import Any, Literal

from pydantic import ConfigDict, Field

from hwcore.contract import Value


class _EagerOptions(Value):
    model_config = ConfigDict(use_attribute_docstrings=True)  # they become descriptions

    threads: int | None = Field(default=None, ge=1)
    """Threads of an operation; null for all that the step was given."""


class Float32Options(_EagerOptions):
    """Options of ``eager``."""

    precision: Literal["float32"] = "float32"
    """Weights and maths."""


class Bfloat16Options(_EagerOptions):
    """Options of ``eager-bf16``."""

    precision: Literal["bfloat16"] = "bfloat16"
    """Weights and maths; what comes out is float32 again."""


BY_CAPABILITY: dict[str, type[Float32Options] | type[Bfloat16Options]] = {
    "eager": Float32Options,
    "eager-bf16": Bfloat16Options,
}


def schemas() -> dict[str, dict[str, Any]]:
    """JSON Schema of the options, by capability id."""
    return {id: model.model_json_schema() for id, model in BY_CAPABILITY.items()}


def as_text() -> str:
    """What ``options.schema.json`` holds."""
    return json.dumps(schemas(), indent=2) + "\n"


if __name__ == "__main__":
    print(as_text(), end="")  # noqa: T201 - this is its output
