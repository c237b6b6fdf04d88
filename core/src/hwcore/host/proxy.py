"""What stands for a plugin on the host's side: hook implementations that go through its door."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from hwcore.contract import (
    Artifact,
    Dataset,
    Device,
    Draft,
    Options,
    Sensitivity,
    Target,
    WorkHook,
    hookimpl,
)
from hwcore.host.context import HookContext
from hwcore.host.door import Door, RunRequest, SensitivityRequest, WorkRequest
from hwcore.host.model import LoadedModel
from hwcore.host.plugging import HookManager


def _through_the_door(hook: WorkHook) -> Callable[..., Draft]:
    def implementation(
        self: PluginProxy,
        source: Artifact,
        capability: str,
        options: Options,
        data: Dataset | None,
        target: Target,
        reference: Artifact,
        out: Path,
        ctx: HookContext,
    ) -> Draft:
        request = WorkRequest(
            hook=hook,
            source=source,
            capability=capability,
            options=options,
            data=data,
            target=target,
            reference=reference,
            out=out,
        )
        return self.door.work(request, ctx)

    return hookimpl(implementation)


class HostContext(HookContext):
    """The ``ctx`` on the host's side, which remembers the model that ``run`` has loaded."""

    model: LoadedModel | None = None


class PluginProxy:
    """Registered with the host's manager in the plugin's place. Implements every hook."""

    def __init__(self, door: Door) -> None:
        self.door = door

    export = _through_the_door("export")
    quantize = _through_the_door("quantize")
    sparsify = _through_the_door("sparsify")
    compile = _through_the_door("compile")

    @hookimpl
    def run(
        self,
        artifact: Artifact,
        capability: str,
        options: Options,
        target: Target,
        ctx: HostContext,
    ) -> LoadedModel:
        request = RunRequest(
            artifact=artifact, capability=capability, options=options, target=target
        )
        ctx.model = LoadedModel(self.door.run(request, ctx))
        return ctx.model

    @hookimpl
    def sensitivity(
        self,
        source: Artifact,
        options: Options,
        data: Dataset,
        target: Target,
        ctx: HookContext,
    ) -> Sensitivity:
        request = SensitivityRequest(source=source, options=options, data=data, target=target)
        return self.door.sensitivity(request, ctx)

    @hookimpl
    def devices(self, ctx: HookContext) -> list[Device]:
        return self.door.devices(ctx)


class ProxyManager(HookManager):
    """The host's manager: proxies, and around them the wrappers of plugins that declare some."""

    def takes_wrappers(self, plugin: object) -> bool:
        return not isinstance(plugin, PluginProxy)
