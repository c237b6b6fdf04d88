"""A plugin's code, loaded: what stands behind both doors, in the process the plugin lives in."""

from __future__ import annotations

import time

from hwcore.contract import Device, Draft, PluginError, Sensitivity
from hwcore.host.context import HookContext
from hwcore.host.door import RunRequest, SensitivityRequest, WorkRequest
from hwcore.host.faults import blamed_on, loading
from hwcore.host.hosted import HostedModel
from hwcore.host.plugging import HookManager, import_plugin
from hwcore.host.records import PluginRecord
from hwcore.host.text import listing


class PluginRuntime:
    """One plugin with its hooks, wrappers left out: those run on the host's side of the door."""

    def __init__(self, record: PluginRecord) -> None:
        """Import the plugin and check it against its manifest. Raises `LoadFailed`."""
        self._name = record.name
        self._version = record.version
        manager = HookManager()
        with loading(record.name, record.version):
            plugin = import_plugin(record)
            manager.add(plugin, record)
            absent = set(record.hooks) - manager.implemented(plugin)
            if absent:
                raise PluginError(
                    f"its manifest claims {listing(absent)}, and its code implements no such hook"
                )
        self._hook = manager.hook

    def devices(self, ctx: HookContext) -> list[Device]:
        """Devices the plugin reports. Raises `PluginError` when it gives anything else."""
        with blamed_on(self._name, self._version, "devices"):
            found = self._hook.devices(ctx=ctx)
            # One implementation was asked; pluggy leaves an answer of None out.
            devices = found[0] if found else None
            if not isinstance(devices, list) or not all(isinstance(d, Device) for d in devices):
                raise PluginError("it returned something else than a list of Device")
        return devices

    def work(self, request: WorkRequest, ctx: HookContext) -> Draft:
        """What a work hook makes. Raises `PluginError` when that is not a draft."""
        arguments = {name: getattr(request, name) for name in WorkRequest.model_fields}
        hook = arguments.pop("hook")
        with blamed_on(self._name, self._version, hook):
            draft = getattr(self._hook, hook)(**arguments, ctx=ctx)
            if not isinstance(draft, Draft):
                kind = "nothing" if draft is None else type(draft).__name__
                raise PluginError(
                    f"it returned {kind} and not a Draft",
                    hint="A work hook returns hwcore.contract.Draft.",
                )
        return draft

    def sensitivity(self, request: SensitivityRequest, ctx: HookContext) -> Sensitivity:
        """What the plugin found. Raises `PluginError` when that is not a `Sensitivity`."""
        arguments = {name: getattr(request, name) for name in SensitivityRequest.model_fields}
        with blamed_on(self._name, self._version, "sensitivity"):
            found = self._hook.sensitivity(**arguments, ctx=ctx)
            if not isinstance(found, Sensitivity):
                kind = "nothing" if found is None else type(found).__name__
                raise PluginError(
                    f"it returned {kind} and not a Sensitivity",
                    hint="The hook returns hwcore.contract.Sensitivity.",
                )
        return found

    def run(self, request: RunRequest, ctx: HookContext) -> HostedModel:
        """A loaded model. Raises `PluginError` when the plugin gives no runner."""
        arguments = {name: getattr(request, name) for name in RunRequest.model_fields}
        with blamed_on(self._name, self._version, "run"):
            start = time.perf_counter()
            runner = self._hook.run(**arguments, ctx=ctx)
            seconds = time.perf_counter() - start
            return HostedModel(runner, self._name, self._version, seconds)
