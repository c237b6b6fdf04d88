"""ONNX Runtime sessions on the CPU."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from core_plugin_onnxruntime import libraries

if TYPE_CHECKING:
    from onnx import ModelProto

PROVIDERS = ["CPUExecutionProvider"]
_ERROR = 3
_LEVELS = {
    "none": "ORT_DISABLE_ALL",
    "basic": "ORT_ENABLE_BASIC",
    "extended": "ORT_ENABLE_EXTENDED",
    "all": "ORT_ENABLE_ALL",
}


def options(*, threads: int, level: str) -> Any:
    """``SessionOptions`` that log errors only."""
    ort = libraries.onnxruntime()
    made = ort.SessionOptions()
    made.log_severity_level = _ERROR
    made.intra_op_num_threads = threads
    made.graph_optimization_level = getattr(ort.GraphOptimizationLevel, _LEVELS[level])
    return made


def from_file(file: Path, options: Any, disabled_optimizers: tuple[str, ...] = ()) -> Any:
    """A session; external data is mapped into memory."""
    return libraries.onnxruntime().InferenceSession(
        file, options, providers=PROVIDERS, disabled_optimizers=list(disabled_optimizers)
    )


def from_model(
    model: ModelProto, folder: Path, options: Any, disabled_optimizers: tuple[str, ...] = ()
) -> Any:
    """A session of a model in memory whose external data, if any, lies in ``folder``."""
    options.add_session_config_entry(
        "session.model_external_initializers_file_folder_path", str(folder)
    )
    return libraries.onnxruntime().InferenceSession(
        model.SerializeToString(),
        options,
        providers=PROVIDERS,
        disabled_optimizers=list(disabled_optimizers),
    )
