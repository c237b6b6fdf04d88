"""Options of the capabilities that have any, and the JSON Schema that the manifest points to.

``python -m core_plugin_openvino.options`` prints the schema; a test holds it equal to
``options.schema.json``.
"""

from __future__ import annotations

import json
from typing import Any, Literal

from pydantic import ConfigDict, Field

from hwcore.contract import Value


class _Described(Value):
    model_config = ConfigDict(use_attribute_docstrings=True)


class QuantizeOptions(_Described):
    """Options of ``int8-ptq``. The names are NNCF's."""

    preset: Literal["performance", "mixed"] = "mixed"
    """``performance``: symmetric activations. ``mixed``: asymmetric ones, closer to the model."""
    subset_size: int = Field(default=128, ge=1)
    """Calibration rows to read at most; 300 are no closer to the model than 100."""
    fast_bias_correction: bool = True
    """False is a slower correction, layer after layer."""
    smooth_quant_alpha: float = Field(default=0.95, ge=-1, le=1)
    """How much of the activations' range moves into the weights (arXiv 2211.10438); -1: none."""
    overflow_fix: Literal["auto", "enable", "first_layer_only", "disable"] = "auto"
    """Half the range for weights, so that 16-bit sums of AVX2 and AVX-512 do not saturate.
    ``auto``: ``enable`` where the target has no int8 dot product, ``disable`` where it has."""
    ignored_names: tuple[str, ...] = ()
    """Nodes to leave in floating point, by their name in the graph."""
    ignored_patterns: tuple[str, ...] = ()
    """The same by regular expression."""
    ignored_types: tuple[str, ...] = ()
    """The same by operation type, such as ``MatMul``."""


class CompileOptions(_Described):
    """Options of ``blob``."""

    precision: Literal["float32"] = "float32"
    """Precision of the maths that is not quantized; a blob runs in the one it was made for."""


class _CpuOptions(_Described):
    threads: int | None = Field(default=None, ge=1)
    """Threads of the engine; null for all that the step was given."""
    performance_hint: Literal["latency", "throughput"] = "latency"
    """``throughput`` runs several requests side by side, each slower; for many callers."""
    streams: int | None = Field(default=None, ge=1)
    """Requests that run side by side; null for what the hint implies."""
    pinning: bool | None = None
    """Bind threads to cores; null for the engine's own choice."""
    variants: int = Field(default=0, ge=0, le=16)
    """Compile this many models of a fixed shape beside the flexible one, for the first input
    shapes that come up three times. Short inputs gain most, up to 1.4 times; each takes the
    time and the memory of loading the model once more."""


class RunOptions(_CpuOptions):
    """Options of ``cpu``."""

    precision: Literal["float32"] = "float32"
    """Never less, also where the engine would choose bfloat16 by itself."""


class Bfloat16RunOptions(_CpuOptions):
    """Options of ``cpu-bf16``."""

    precision: Literal["bfloat16"] = "bfloat16"
    """Products in bfloat16, sums in float32."""


BY_CAPABILITY: dict[str, type[Value]] = {
    "int8-ptq": QuantizeOptions,
    "blob": CompileOptions,
    "cpu": RunOptions,
    "cpu-bf16": Bfloat16RunOptions,
}


def schemas() -> dict[str, dict[str, Any]]:
    """JSON Schema of the options, by capability id."""
    return {id: model.model_json_schema() for id, model in BY_CAPABILITY.items()}


def as_text() -> str:
    """What ``options.schema.json`` holds."""
    return json.dumps(schemas(), indent=2) + "\n"


if __name__ == "__main__":
    print(as_text(), end="")  # noqa: T201 - this is its output
