"""The plugin host: finds plugins without importing them, and calls their hooks through a door.

Names are imported when first used, so that finding plugins does not pay for running them.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hwcore.host.cpu import available_cores, local_cpu
    from hwcore.host.discovery import allowed_by_environment, discover
    from hwcore.host.drafts import check_draft
    from hwcore.host.events import Event, LogEvent, OnEvent, ProgressEvent
    from hwcore.host.limits import Limits
    from hwcore.host.manager import PluginHost
    from hwcore.host.model import LoadedModel
    from hwcore.host.options import check_options
    from hwcore.host.records import Discovery, PluginRecord
    from hwcore.host.requirements import installed_version, missing_requirements

_HOMES = {
    "Discovery": "records",
    "Event": "events",
    "Limits": "limits",
    "LoadedModel": "model",
    "LogEvent": "events",
    "OnEvent": "events",
    "PluginHost": "manager",
    "PluginRecord": "records",
    "ProgressEvent": "events",
    "allowed_by_environment": "discovery",
    "available_cores": "cpu",
    "check_draft": "drafts",
    "check_options": "options",
    "discover": "discovery",
    "installed_version": "requirements",
    "local_cpu": "cpu",
    "missing_requirements": "requirements",
}

__all__ = [
    "Discovery",
    "Event",
    "Limits",
    "LoadedModel",
    "LogEvent",
    "OnEvent",
    "PluginHost",
    "PluginRecord",
    "ProgressEvent",
    "allowed_by_environment",
    "available_cores",
    "check_draft",
    "check_options",
    "discover",
    "installed_version",
    "local_cpu",
    "missing_requirements",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
