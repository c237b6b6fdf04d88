"""The vendor's libraries, imported late, quiet, and with their telemetry off."""

from __future__ import annotations

import importlib
import os
from typing import Any

from hwcore.contract import UserError

NOISY = ("torch.onnx", "torch.export", "onnxscript", "onnx_ir", "root")
"""Loggers that speak up in an export or a quantization that works."""


TELEMETRY = "ORT_DISABLE_TELEMETRY"
"""Variable that ONNX Runtime's library looks at when it is loaded. Without it, importing the
module is enough to leave a device id below ``~/.cache/Microsoft`` (1.31, Linux); sessions add
events there, and what has piled up is sent to Microsoft."""


def onnxruntime() -> Any:
    """The module ``onnxruntime``, with its telemetry off."""
    os.environ[TELEMETRY] = "1"
    import onnxruntime

    # Where another part of the program imported it before: less may be sent, and later events not.
    onnxruntime.disable_telemetry_events()
    return onnxruntime


def require(name: str, work: str) -> Any:
    """A module that the extra ``build`` brings; ``work`` is what it is needed for.

    Raises `UserError` where it is not installed.
    """
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name.partition(".")[0]:
            raise
        raise UserError(
            f"{work} needs {error.name}, which is not installed",
            hint='Install it: pip install "core-plugin-onnxruntime[build]"',
        ) from None
