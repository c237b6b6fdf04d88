"""OpenVINO's CPU engine: how it is configured, and what a blob of it is bound to."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from core_plugin_openvino import libraries
from core_plugin_openvino.options import Bfloat16RunOptions, CompileOptions, RunOptions

DEVICE = "CPU"
_PRECISIONS = {"float32": "f32", "bfloat16": "bf16"}


def configuration(
    options: RunOptions | Bfloat16RunOptions | CompileOptions, threads: int
) -> dict[str, Any]:
    """The engine's properties. ``threads`` is the default where the options name none."""
    properties: dict[str, Any] = {
        # Left to itself the engine takes bfloat16 where the CPU has AMX, and quantizes the
        # activations in front of compressed weights: lossy, both.
        "INFERENCE_PRECISION_HINT": _PRECISIONS[options.precision],
        "DYNAMIC_QUANTIZATION_GROUP_SIZE": 0,
        "INFERENCE_NUM_THREADS": threads,
        "PERFORMANCE_HINT": "LATENCY",
    }
    if isinstance(options, CompileOptions):
        return properties
    properties["PERFORMANCE_HINT"] = options.performance_hint.upper()
    if options.threads is not None:
        properties["INFERENCE_NUM_THREADS"] = options.threads
    if options.streams is not None:
        properties["NUM_STREAMS"] = options.streams
    if options.pinning is not None:
        properties["ENABLE_CPU_PINNING"] = options.pinning
    return properties


def compile_graph(
    file: Path, properties: dict[str, Any], shapes: Sequence[Sequence[int]] | None = None
) -> Any:
    """Compile an IR file to an ``openvino.CompiledModel``; its weights are mapped, not read.

    ``shapes`` fixes those of the inputs, in order.
    """
    core = libraries.core()
    model = core.read_model(file)
    if shapes is not None:
        model.reshape(dict(enumerate(map(list, shapes))))
    return core.compile_model(model, DEVICE, properties)


def import_blob(file: Path, properties: dict[str, Any]) -> tuple[Any, object]:
    """Load a blob. Gives the compiled model, and the mapping that must outlive it.

    The engine goes on reading weights from the file's memory and takes no reference to it.
    """
    # Copy on write: the binding refuses memory that it could not write to.
    mapping = np.memmap(file, np.uint8, mode="c")
    tensor = libraries.openvino().Tensor(mapping, shared_memory=True)
    return libraries.core().import_model(tensor, DEVICE, properties), mapping


def build() -> str:
    """The build of OpenVINO, such as ``2026.4.1-22982-e213a147257-releases/2026/4``."""
    return str(libraries.openvino().get_version())
