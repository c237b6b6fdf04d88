"""The vendor's libraries, imported late and with their telemetry off."""

from __future__ import annotations

import sys
import threading
from functools import cache
from typing import Any

from hwcore.contract import UserError

TELEMETRY = "openvino_telemetry"
"""Sends usage data to Google Analytics and keeps a client id under ``~/intel``.

``import openvino`` is enough to set it off: it sends an event and starts a thread.
"""

_core_lock = threading.Lock()

_SENDERS = ("send_event", "send_error", "send_stack_trace", "start_session", "end_session")


def openvino() -> Any:
    """The module ``openvino``."""
    silence_telemetry()
    import openvino

    return openvino


def core() -> Any:
    """The one ``openvino.Core`` of this process, which may be used from several threads.

    One for each model, as is often seen, corrupts memory now and then once models have run in
    several threads (seen in 2026.4: about one process in three, after a hundred loads).
    """
    with _core_lock:  # a cache alone may make two of them, and drop one
        return _core()


@cache
def _core() -> Any:
    return openvino().Core()


def nncf() -> Any:
    """The module ``nncf``. Raises `UserError` where the extra that brings it is not installed."""
    silence_telemetry()
    try:
        import nncf
    except ModuleNotFoundError as error:
        if error.name != "nncf":
            raise
        raise UserError(
            "quantizing with OpenVINO needs nncf, which is not installed",
            hint='Install it: pip install "core-plugin-openvino[build]"',
        ) from None
    return nncf


def silence_telemetry() -> None:
    """Make the vendor's telemetry send nothing, whoever imports OpenVINO in this process.

    Before its first import the package is blocked: OpenVINO and NNCF carry a stub for machines
    where it is not installed. Where another part of the program was first, it is muted.
    """
    loaded = sys.modules.setdefault(TELEMETRY, None)  # type: ignore[arg-type]  # None blocks it
    if loaded is not None:
        for name in _SENDERS:
            setattr(loaded.Telemetry, name, _nothing)


def _nothing(*args: object, **kwargs: object) -> None:
    """Take what a sender takes."""
