"""Options of each capability, and the JSON Schema of them that the manifest points to.

``python -m core_plugin_onnxruntime.options`` prints the schema; a test holds it equal to
``options.schema.json``.
"""

from __future__ import annotations

import json
from typing import Any, Literal

from pydantic import ConfigDict, Field

from hwcore.contract import Value

SLOW_ON_CPU = ("SkipLayerNormFusion",)
"""Graph optimizers of ONNX Runtime that make a model slower on its CPU engine.

The kernel of SkipLayerNormalization adds up rows one number at a time; on 128 × 384 floats the
Add and LayerNormalization that it would replace take about a sixth of its time (1.31, x86).
"""


class _Options(Value):
    model_config = ConfigDict(use_attribute_docstrings=True)  # they become descriptions


class _FileOptions(_Options):
    external_data_above: int = Field(default=16 << 20, ge=0, le=1 << 30)
    """Weights of more bytes than this lie in a file beside the graph, from where an engine maps
    them into memory. Protobuf holds no more than 2 GiB in one file."""


class ExportOptions(_FileOptions):
    """Options of ``onnx``."""

    opset: int = Field(default=23, ge=18, le=23)
    """Version of the standard operators. From 23 on attention is one operator; before, it is
    spelled out, for tools that know no better, and slower."""


class QuantizeOptions(_FileOptions):
    """Options of ``int8-dynamic``. The names are ONNX Runtime's."""

    per_channel: bool = True
    """A scale for each column of a weight; false is one for all of it, smaller and worse."""
    reduce_range: bool | None = None
    """7 bits of the weights' 8, so that 16-bit sums do not saturate; null: where the target
    is an x86 CPU without VNNI."""
    weight_type: Literal["int8", "uint8"] = "int8"
    """``int8`` is symmetric, ``uint8`` is not."""
    nodes_to_exclude: tuple[str, ...] = ()
    """Nodes to leave in floating point, by their name in the graph."""


class SmoothOptions(QuantizeOptions):
    """Options of ``int8-dynamic-smooth``."""

    alpha: float = Field(default=0.85, ge=0, le=1)
    """How much of the activations' range moves into the weights (arXiv 2211.10438)."""
    rows: int = Field(default=128, ge=1)
    """Calibration rows to read at most."""


class CompileOptions(_FileOptions):
    """Options of ``fused``."""

    attention: bool = True
    """Feed attention ``[batch, sequence, hidden]`` as it comes, without transposing heads."""
    level: Literal["basic", "extended"] = "extended"
    """How far ONNX Runtime optimizes the graph; ``extended`` is where fusions happen."""
    disabled_optimizers: tuple[str, ...] = SLOW_ON_CPU
    """Graph optimizers to leave out, by ONNX Runtime's name of them."""


class RunOptions(_Options):
    """Options of ``cpu``."""

    threads: int | None = Field(default=None, ge=1)
    """Threads of an operation; null for all that the step was given."""
    precision: Literal["float32"] = "float32"
    """Of what is not quantized."""
    spinning: bool = True
    """Threads wait for work in a loop: the lowest latency, at the cost of a busy CPU for a
    moment after each call."""
    level: Literal["none", "basic", "extended", "all"] = "all"
    """How far the graph is optimized when it is loaded."""
    disabled_optimizers: tuple[str, ...] = SLOW_ON_CPU
    """Graph optimizers to leave out, by ONNX Runtime's name of them."""


BY_CAPABILITY: dict[str, type[_Options]] = {
    "onnx": ExportOptions,
    "int8-dynamic": QuantizeOptions,
    "int8-dynamic-smooth": SmoothOptions,
    "fused": CompileOptions,
    "cpu": RunOptions,
}


def schemas() -> dict[str, dict[str, Any]]:
    """JSON Schema of the options, by capability id."""
    return {id: model.model_json_schema() for id, model in BY_CAPABILITY.items()}


def as_text() -> str:
    """What ``options.schema.json`` holds."""
    return json.dumps(schemas(), indent=2) + "\n"


if __name__ == "__main__":
    print(as_text(), end="")  # noqa: T201 - this is its output
