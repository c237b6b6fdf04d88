"""hwcore: the core that AI hardware vendors plug into.

Importing it loads nothing else: every name below is imported when it is first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hwcore._version import __version__

if TYPE_CHECKING:
    from hwcore.contract import (
        ArtifactCorrupt,
        HardwareUnavailable,
        HwcoreError,
        PluginError,
        ToleranceExceeded,
        UserError,
        hookimpl,
    )
    from hwcore.workflows.load import Model, load

_HOMES = {
    "Model": "hwcore.workflows.load",
    "load": "hwcore.workflows.load",
    **dict.fromkeys(
        (
            "ArtifactCorrupt",
            "HardwareUnavailable",
            "HwcoreError",
            "PluginError",
            "ToleranceExceeded",
            "UserError",
            "hookimpl",
        ),
        "hwcore.contract",
    ),
}

__all__ = [
    "ArtifactCorrupt",
    "HardwareUnavailable",
    "HwcoreError",
    "Model",
    "PluginError",
    "ToleranceExceeded",
    "UserError",
    "__version__",
    "hookimpl",
    "load",
]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
