"""Calls one hook of one plugin, through its door, with every wrapper of that hook around it."""

from __future__ import annotations

import threading
from typing import Any

from hwcore.contract import HwcoreError
from hwcore.host.doors import OpenDoor
from hwcore.host.faults import LoadFailed, blame
from hwcore.host.proxy import HostContext, PluginProxy, ProxyManager
from hwcore.host.records import PluginRecord
from hwcore.host.wrappers import Wrappers


class Switchboard:
    """The host's pluggy manager: a proxy for each plugin that was asked something, and wrappers."""

    def __init__(self, records: tuple[PluginRecord, ...], open_door: OpenDoor) -> None:
        """``open_door`` makes the door of a plugin when it is first asked."""
        self._manager = ProxyManager()
        self._wrappers = Wrappers(self._manager, records)
        self._proxies: dict[str, PluginProxy] = {}
        self._open_door = open_door
        self._lock = threading.RLock()

    def load_wrappers(self, hook: str) -> list[tuple[PluginRecord, LoadFailed | None]]:
        """Load the plugins that wrap ``hook`` and are not loaded yet: each with what went wrong."""
        with self._lock:
            return self._wrappers.load_for(hook)

    def ask(
        self, hook: str, record: PluginRecord, ctx: HostContext, arguments: dict[str, Any]
    ) -> Any:
        """What the plugin answers. Raises errors of our tree, a wrapper's named as its own."""
        with self._lock:
            proxy = self._proxy(record)
            others = [other for other in self._proxies.values() if other is not proxy]
            caller = self._manager.subset_hook_caller(hook, others)
        try:
            return caller(**arguments, ctx=ctx)
        except HwcoreError:
            raise
        except Exception as error:
            # Doors raise errors of our tree only: this is a wrapper's, or our own fault.
            owner = self._wrappers.culprit(error)
            if owner is None:
                raise
            raise blame(error, owner.name, owner.version, hook) from error

    def close(self) -> None:
        """Close every door."""
        with self._lock:
            proxies = list(self._proxies.values())
        for proxy in proxies:
            proxy.door.close()

    def _proxy(self, record: PluginRecord) -> PluginProxy:
        proxy = self._proxies.get(record.name)
        if proxy is None:
            proxy = self._proxies[record.name] = PluginProxy(self._open_door(record))
            self._manager.register(proxy, name=f"{record.name} (proxy)")
        return proxy
