"""Third-party hook wrappers: loaded into this process before the first call they wrap."""

from __future__ import annotations

from types import CodeType

from hwcore.contract import PluginError
from hwcore.host.faults import LoadFailed, loading
from hwcore.host.plugging import import_plugin
from hwcore.host.proxy import ProxyManager
from hwcore.host.records import PluginRecord
from hwcore.host.text import listing


class Wrappers:
    """The plugins whose manifest says ``wraps``. They run around both doors, on this side."""

    def __init__(self, manager: ProxyManager, records: tuple[PluginRecord, ...]) -> None:
        self._manager = manager
        self._waiting = [r for r in records if r.manifest is not None and r.manifest.wraps]
        self._owners: dict[CodeType, PluginRecord] = {}

    def load_for(self, hook: str) -> list[tuple[PluginRecord, LoadFailed | None]]:
        """Load those that wrap ``hook`` and are not loaded: each with what went wrong, or none."""
        tried: list[tuple[PluginRecord, LoadFailed | None]] = []
        for record in [r for r in self._waiting if r.manifest and hook in r.manifest.wraps]:
            self._waiting.remove(record)
            try:
                self._load(record)
            except LoadFailed as error:
                tried.append((record, error))
            else:
                tried.append((record, None))
        return tried

    def culprit(self, error: BaseException) -> PluginRecord | None:
        """The plugin whose wrapper raised ``error``, or let it through."""
        trace = error.__traceback__
        found = None
        while trace is not None:
            found = self._owners.get(trace.tb_frame.f_code, found)
            trace = trace.tb_next
        return found

    def _load(self, record: PluginRecord) -> None:
        with loading(record.name, record.version):
            plugin = import_plugin(record)
            self._manager.add(plugin, record)
            declared = set(record.manifest.wraps if record.manifest else ())
            actual = self._manager.implemented(plugin)
            if actual != declared:
                self._manager.unregister(plugin)
                raise PluginError(
                    f"its manifest says it wraps {listing(declared)}, "
                    f"and its code wraps {listing(actual)}",
                    hint="Every hook that a plugin wraps stands in its manifest's wraps.",
                )
        for hook in declared:
            for implementation in getattr(self._manager.hook, hook).get_hookimpls():
                if implementation.plugin is plugin:
                    self._owners[implementation.function.__code__] = record
