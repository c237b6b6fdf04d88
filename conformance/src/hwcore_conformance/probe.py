"""Import a plugin in a process of its own, and say what that did.

``python -m hwcore_conformance.probe MODULE[:OBJECT] [devices]`` prints one JSON object: of the
import, or of what the hook ``devices`` answers.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pluggy

import hwcore.contract  # noqa: F401 - what every plugin imports is not held against it
from hwcore.contract import HOOKS, Device, hookspecs
from hwcore_conformance import bare
from hwcore_conformance.clause import ROWLESS
from hwcore_conformance.watch import watching

NO_DEVICES = frozenset({"/dev/null", "/dev/random", "/dev/urandom"})


def main() -> None:
    """Report on standard output, which the plugin does not get to see."""
    with _output() as output:
        if sys.argv[2:] == ["devices"]:
            report = _devices(sys.argv[1])
            report["printed"] = output.read().decode(errors="replace")
        else:
            report = _imported(sys.argv[1])
    sys.stdout.write(json.dumps(report) + "\n")


def _imported(entry_point: str) -> dict[str, Any]:
    before, held = set(sys.modules), _held()
    with watching([], []) as seen:
        began = time.perf_counter()
        plugin = _import(entry_point)
        seconds = time.perf_counter() - began
    modules = sorted({module.partition(".")[0] for module in set(sys.modules) - before})
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    known = (*ROWLESS, *HOOKS)
    hooks = [hook for hook in known if _implements(manager, plugin, hook)]
    opened = seen.opened | seen.written | (_held() - held)
    devices = sorted(p for p in opened if p.startswith("/dev/") and p not in NO_DEVICES)
    return {
        "modules": modules,
        "seconds": seconds,
        "hooks": sorted(set(hooks)),
        "touched": [
            *(f"opens {device}" for device in devices),
            *(f"talks to {address}" for address in dict.fromkeys(seen.connections)),
            *(f"starts {program}" for program in dict.fromkeys(seen.started or seen.processes)),
        ],
    }


def _held() -> set[str]:
    """Files that the process has open, whoever opened them: compiled code, too."""
    found = set()
    for link in Path("/proc/self/fd").glob("*"):  # empty where there is no such folder
        with contextlib.suppress(FileNotFoundError):  # of the listing itself
            found.add(str(link.readlink()))
    return found


def _devices(entry_point: str) -> dict[str, Any]:
    """Seconds are of the first answer, without the import."""
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    report: dict[str, Any] = {"error": "", "devices": [], "again": []}
    began = time.perf_counter()
    try:
        manager.register(_import(entry_point))
        began = time.perf_counter()
        for name in ("devices", "again"):
            found = manager.hook.devices(ctx=bare.Notes())
            report.setdefault("seconds", time.perf_counter() - began)
            devices = found[0] if found else None  # pluggy leaves an answer of None out
            if not isinstance(devices, list) or not all(isinstance(d, Device) for d in devices):
                report["error"] = f"gives {devices!r}, which is no list of Device"
                break
            report[name] = [device.model_dump(mode="json") for device in devices]
    except Exception as error:
        report["error"] = f"raises {type(error).__name__}: {error}"
    report.setdefault("seconds", time.perf_counter() - began)
    return report


def _import(entry_point: str) -> Any:
    name, _, attribute = entry_point.partition(":")
    plugin = importlib.import_module(name)
    return getattr(plugin, attribute) if attribute else plugin


@contextlib.contextmanager
def _output() -> Iterator[Any]:
    """Both output streams of the process, in a file, while the plugin has it."""
    with tempfile.TemporaryFile() as output:
        kept = [os.dup(stream) for stream in (1, 2)]
        try:
            for stream in (1, 2):
                os.dup2(output.fileno(), stream)
            yield _Written(output)
        finally:
            sys.stdout.flush()
            for stream, saved in zip((1, 2), kept, strict=True):
                os.dup2(saved, stream)
                os.close(saved)


class _Written:
    def __init__(self, file: Any) -> None:
        self._file = file

    def read(self) -> bytes:
        """What was written so far."""
        sys.stdout.flush()
        self._file.seek(0)
        found: bytes = self._file.read()
        return found


def _implements(manager: pluggy.PluginManager, plugin: object, hook: str) -> bool:
    if not hasattr(plugin, hook):
        return False
    options = manager.parse_hookimpl_opts(plugin, hook)
    return options is not None and not (options["wrapper"] or options["hookwrapper"])


if __name__ == "__main__":
    main()
