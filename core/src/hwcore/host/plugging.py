"""pluggy, told which half of a plugin to take, and its complaints in our words."""

from __future__ import annotations

from typing import Any

import importlib_metadata
import pluggy

from hwcore.contract import ENTRY_POINT_GROUP, PluginError, hookspecs
from hwcore.host.records import PluginRecord
from hwcore.host.text import did_you_mean, listing


class HookManager(pluggy.PluginManager):
    """A plugin manager that takes all of a plugin but its wrappers, or its wrappers only.

    Wrappers run on the host's side of the door, around whatever answers; everything else runs
    in the process the plugin lives in. One module can so be registered on both sides.
    """

    def __init__(self) -> None:
        super().__init__(hookspecs.PROJECT)
        self.add_hookspecs(hookspecs)

    def takes_wrappers(self, plugin: object) -> bool:
        """True when the wrappers of ``plugin`` are what is wanted of it."""
        return False

    def parse_hookimpl_opts(self, plugin: object, name: str) -> Any:
        opts = super().parse_hookimpl_opts(plugin, name)
        if opts is None:
            return None
        is_wrapper = bool(opts.get("wrapper") or opts.get("hookwrapper"))
        return opts if is_wrapper == self.takes_wrappers(plugin) else None

    def implemented(self, plugin: object) -> set[str]:
        """Names of the hooks that a registered plugin has implementations of."""
        return {caller.name for caller in self.get_hookcallers(plugin) or ()}

    def add(self, plugin: object, record: PluginRecord) -> None:
        """Register a plugin's module, or nothing of it.

        Raises `PluginError` where pluggy complains: an unknown hook, a wrong argument.
        """
        try:
            self.register(plugin, name=record.name)
            self.check_pending()
        except pluggy.PluginValidationError as error:
            refusal = self._refusal(error, record)
            if self.has_plugin(record.name):
                self.unregister(name=record.name)
            raise refusal from error

    def _refusal(self, error: pluggy.PluginValidationError, record: PluginRecord) -> PluginError:
        callers = vars(self.hook).values()
        specs = [caller.name for caller in callers if caller.has_spec()]
        unknown = [c.name for c in callers if not c.has_spec() and c.get_hookimpls()]
        if unknown:
            message = f"it implements {unknown[0]!r}, which is no hook"
            message += did_you_mean(unknown[0], specs)
            hint = f"Hooks: {listing(specs)}."
        else:
            message = " ".join(str(error).split())
            hint = "An implementation takes any of its hook's arguments, by their names."
        return PluginError(message, plugin=record.name, version=record.version, hint=hint)


def import_plugin(record: PluginRecord) -> object:
    """Import the module, or the object in it, that the entry point names. Raises what it raises."""
    point = importlib_metadata.EntryPoint(record.name, record.entry_point, ENTRY_POINT_GROUP)
    loaded: object = point.load()
    return loaded
