"""Import a plugin in a process of its own, and say what that did.

``python -m hwcore_conformance.probe MODULE[:OBJECT]`` prints one JSON object.
"""

from __future__ import annotations

import importlib
import json
import sys
import time
from typing import Any

import pluggy

import hwcore.contract  # noqa: F401 - what every plugin imports is not held against it
from hwcore.contract import HOOKS


def main() -> None:
    """Import it, and report the modules that came with it, the seconds and the hooks."""
    name, _, attribute = sys.argv[1].partition(":")
    before = set(sys.modules)
    began = time.perf_counter()
    plugin: Any = importlib.import_module(name)
    seconds = time.perf_counter() - began
    modules = sorted({module.partition(".")[0] for module in set(sys.modules) - before})
    if attribute:
        plugin = getattr(plugin, attribute)
    manager = pluggy.PluginManager("hwcore")
    hooks = [hook for hook in ("devices", *HOOKS) if _implements(manager, plugin, hook)]
    report = {"modules": modules, "seconds": seconds, "hooks": sorted(set(hooks))}
    sys.stdout.write(json.dumps(report))


def _implements(manager: pluggy.PluginManager, plugin: object, hook: str) -> bool:
    if not hasattr(plugin, hook):
        return False
    options = manager.parse_hookimpl_opts(plugin, hook)
    return options is not None and not (options["wrapper"] or options["hookwrapper"])


if __name__ == "__main__":
    main()
