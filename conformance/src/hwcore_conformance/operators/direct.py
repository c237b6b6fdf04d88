"""Engines asked directly: what they do with a case when neither hwcore nor the plugin is there.

Each is configured as its plugin configures it by default. So a case that ends in another way
through the plugin is the plugin's doing, or the core's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

from hwcore.contract import Array, Arrays

Answer = Callable[[Arrays], Sequence[Array]]
"""A loaded model: named inputs in, outputs in the order of the graph out."""

ORT_LEVEL = "ORT_ENABLE_ALL"
ORT_DISABLED_OPTIMIZERS = ("SkipLayerNormFusion",)
_ORT_ERROR = 3

OPENVINO_PROPERTIES = {
    "INFERENCE_PRECISION_HINT": "f32",
    "DYNAMIC_QUANTIZATION_GROUP_SIZE": 0,
    "PERFORMANCE_HINT": "LATENCY",
}


def onnxruntime(file: Path, threads: int) -> Answer:
    """An ``InferenceSession`` on the CPU. Raises whatever that raises."""
    ort: Any = import_module("onnxruntime")  # it has no types
    options = ort.SessionOptions()
    options.log_severity_level = _ORT_ERROR
    options.intra_op_num_threads = threads
    options.graph_optimization_level = getattr(ort.GraphOptimizationLevel, ORT_LEVEL)
    session = ort.InferenceSession(
        file,
        options,
        providers=["CPUExecutionProvider"],
        disabled_optimizers=list(ORT_DISABLED_OPTIMIZERS),
    )
    return lambda inputs: session.run(None, dict(inputs))


def openvino(file: Path, threads: int) -> Answer:
    """A model compiled for the CPU. Raises whatever OpenVINO raises."""
    properties = {**OPENVINO_PROPERTIES, "INFERENCE_NUM_THREADS": threads}
    compiled = _core().compile_model(file, "CPU", properties)
    # An input that nothing depends on is not in the graph any more.
    known = {name for port in compiled.inputs for name in port.get_names()}

    def answer(inputs: Arrays) -> Sequence[Array]:
        found = compiled({name: array for name, array in inputs.items() if name in known})
        return [found[place] for place in range(len(compiled.outputs))]

    return answer


@cache
def _core() -> Any:
    import openvino as ov

    return ov.Core()


ENGINES: dict[str, Callable[[Path, int], Answer]] = {
    "onnxruntime": onnxruntime,
    "openvino": openvino,
}
"""By the distribution that a plugin's manifest lists among its libraries."""
