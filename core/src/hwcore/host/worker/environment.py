"""The environment variables a worker is started with."""

from __future__ import annotations

import os

from hwcore.host.limits import Limits
from hwcore.host.records import PluginRecord

_DEFAULTS = {
    # No vendor's library sends anything on our behalf, unless the user says otherwise.
    "DO_NOT_TRACK": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
}


def worker_environment(record: PluginRecord, limits: Limits) -> dict[str, str]:
    """This process's variables, our defaults where it has none, the thread count, and what the
    plugin's manifest asks for, which wins."""
    environment = {**_DEFAULTS, **os.environ}
    environment["OMP_NUM_THREADS"] = str(limits.thread_count)
    if record.manifest is not None:
        environment.update(record.manifest.environment)
    return environment
