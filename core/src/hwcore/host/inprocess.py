"""The in-process door: the plugin's code runs in this process, on the caller's thread.

Nothing can be killed here: a hang hangs, a crash crashes, and a cancel waits until the plugin
looks at ``ctx.cancelled()``. In return there is no process to start and nothing to copy.
"""

from __future__ import annotations

import threading

from hwcore.contract import Device, Draft, Sensitivity
from hwcore.host.context import HookContext
from hwcore.host.door import RunRequest, SensitivityRequest, WorkRequest
from hwcore.host.hosted import HostedModel
from hwcore.host.records import PluginRecord
from hwcore.host.runtime import PluginRuntime


class InProcessDoor:
    """A `hwcore.host.door.Door` that is always open."""

    def __init__(self, record: PluginRecord) -> None:
        self._record = record
        self._runtime: PluginRuntime | None = None
        self._lock = threading.RLock()

    def devices(self, ctx: HookContext) -> list[Device]:
        """Call ``devices``."""
        return self._loaded().devices(ctx)

    def work(self, request: WorkRequest, ctx: HookContext) -> Draft:
        """Call the work hook that the request names."""
        with self._lock:
            return self._loaded().work(request, ctx)

    def sensitivity(self, request: SensitivityRequest, ctx: HookContext) -> Sensitivity:
        """Call ``sensitivity``."""
        with self._lock:
            return self._loaded().sensitivity(request, ctx)

    def run(self, request: RunRequest, ctx: HookContext) -> HostedModel:
        """Call ``run``."""
        return self._loaded().run(request, ctx)

    def close(self) -> None:
        """Nothing to do: an imported module stays."""

    def _loaded(self) -> PluginRuntime:
        with self._lock:
            if self._runtime is None:
                self._runtime = PluginRuntime(self._record)
            return self._runtime
