"""What a measurement depends on beside the model: recorded with every study."""

from __future__ import annotations

import os
import platform

from pydantic import JsonValue

from hwcore.host import PluginHost

VARIABLES = ("OMP_NUM_THREADS", "KMP_AFFINITY", "MKL_NUM_THREADS", "LD_PRELOAD", "HWCORE_PLUGINS")


def environment(host: PluginHost, threads: int) -> dict[str, JsonValue]:
    """Threads, system, and the versions of the usable plugins and their libraries."""
    libraries: dict[str, JsonValue] = {}
    plugins: dict[str, JsonValue] = {}
    for record in host.records:
        if record.usable:
            plugins[record.name] = f"{record.distribution} {record.version}"
            libraries.update(record.library_versions())
    return {
        "threads": threads,
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "load_average": list(os.getloadavg()) if hasattr(os, "getloadavg") else None,
        "variables": {name: os.environ[name] for name in VARIABLES if name in os.environ},
        "plugins": plugins,
        "libraries": libraries,
    }
