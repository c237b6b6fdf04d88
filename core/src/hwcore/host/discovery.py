"""Find plugins, check their manifests, classify them: all without importing any of them."""

from __future__ import annotations

import importlib.util
import os
import re
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import importlib_metadata

from hwcore.contract import ENTRY_POINT_GROUP, PluginError, UserError
from hwcore.host.hints import off_switch
from hwcore.host.manifest_file import ContractMismatch, ManifestError, read_manifest
from hwcore.host.records import MANIFEST_FILE, Discovery, PluginRecord
from hwcore.host.text import did_you_mean, listing

ALLOW_LIST_VARIABLE = "HWCORE_PLUGINS"


class Found(NamedTuple):
    """An entry point, and the distribution it came with."""

    name: str
    entry_point: str
    distribution: str
    version: str


def allowed_by_environment(
    environment: Mapping[str, str] = os.environ,
) -> tuple[str, ...] | None:
    """Names in ``HWCORE_PLUGINS``, separated by commas; ``None`` when it is unset.

    Raises `UserError` when it is set and names nothing: whether that was to allow all plugins
    or none is anybody's guess, and a guess must not let code run.
    """
    value = environment.get(ALLOW_LIST_VARIABLE)
    if value is None:
        return None
    names = tuple(name for part in value.split(",") if (name := part.strip()))
    if not names:
        raise UserError(
            f"{ALLOW_LIST_VARIABLE} is set and names no plugin",
            hint=f"Name those to allow, as in {ALLOW_LIST_VARIABLE}=torch,openvino; unset it to "
            "allow all; for none there is --no-plugins.",
        )
    return names


def discover(*, allow: tuple[str, ...] | None = None, enabled: bool = True) -> Discovery:
    """Every installed plugin, each with its state and the reason for it.

    ``allow`` names the only plugins that may be used; ``enabled=False`` blocks them all. The
    manifest of a blocked plugin is not read. Raises `UserError` when ``allow`` names a plugin
    that is not installed, and when two distributions bring a usable plugin of the same name.
    """
    found = sorted(find())
    names = sorted({entry.name for entry in found})
    for name in allow or ():
        if name not in names:
            raise UserError(
                f"{ALLOW_LIST_VARIABLE} names {name!r}, and there is no such plugin"
                f"{did_you_mean(name, names)}",
                hint=f"Installed: {listing(names)}.",
            )
    records = [_blocked(entry, allow, enabled) or check(entry) for entry in found]
    _refuse_duplicates([record for record in records if record.state != "blocked"])
    return Discovery(tuple(_with_off_switch(record, records) for record in records))


def discover_one(name: str) -> PluginRecord:
    """The plugin of that name, as this interpreter has it installed: for a worker.

    Raises `PluginError` when it is not there or not usable. Allow-list and duplicates are the
    host's to look at.
    """
    entry = next((entry for entry in find() if entry.name == name), None)
    if entry is None:
        raise PluginError(f"it is not installed for the interpreter {sys.executable}", plugin=name)
    record = check(entry)
    if not record.usable:
        raise PluginError(record.reason, plugin=name, version=record.version)
    return record


def find() -> Iterator[Found]:
    """Every entry point of the group ``hwcore.plugins`` on ``sys.path``."""
    for point in importlib_metadata.entry_points(group=ENTRY_POINT_GROUP):
        name, version = _name_and_version(point.dist)
        yield Found(point.name, point.value, name, version)


def check(entry: Found) -> PluginRecord:
    """Read one plugin's manifest, and say what state that puts it in."""
    record = PluginRecord(
        entry.name, entry.distribution, entry.version, entry.entry_point, state="broken"
    )
    folder = locate(entry.entry_point)
    if folder is None:
        package = entry.entry_point.partition(":")[0].partition(".")[0]
        return replace(
            record, reason=f"no {MANIFEST_FILE} in package {package!r}, or no such package."
        )
    record = replace(record, folder=folder)
    try:
        manifest, schemas = read_manifest(folder / MANIFEST_FILE)
    except ManifestError as error:
        return replace(record, reason=f"{error}.")
    except ContractMismatch as error:
        return replace(record, state="incompatible", reason=f"{error}.")
    record = replace(record, manifest=manifest, schemas=schemas)
    if manifest.name != entry.name:
        return replace(
            record,
            reason=f"its entry point is called {entry.name!r} and its manifest {manifest.name!r}: "
            "a plugin cannot go by another's name.",
        )
    return replace(record, state="found")


def locate(entry_point: str) -> Path | None:
    """The folder with the manifest, nearest to the entry point's module; ``None`` without one.

    Only the top-level package is looked up, which does not import it; what lies below is found
    by path. So it works for wheels, editable installs and namespace packages alike.
    """
    top, *below = entry_point.partition(":")[0].strip().split(".")
    try:
        spec = importlib.util.find_spec(top)
    except (ImportError, ValueError):  # a finder that fails, a module without a spec
        return None
    if spec is None or spec.submodule_search_locations is None:
        return None
    roots = [Path(root) for root in spec.submodule_search_locations]
    for depth in range(len(below), -1, -1):
        for root in roots:
            folder = root.joinpath(*below[:depth])
            if (folder / MANIFEST_FILE).is_file():
                return folder
    return None


def _blocked(entry: Found, allow: tuple[str, ...] | None, enabled: bool) -> PluginRecord | None:
    if not enabled:
        reason = "Plugins are switched off: leave --no-plugins out to use it."
    elif allow is not None and entry.name not in allow:
        reason = f"{ALLOW_LIST_VARIABLE} does not name it: add it there to use it."
    else:
        return None
    return PluginRecord(
        entry.name, entry.distribution, entry.version, entry.entry_point, "blocked", reason
    )


def _refuse_duplicates(records: list[PluginRecord]) -> None:
    counts = Counter(record.name for record in records)
    for name, count in counts.items():
        if count > 1:
            owners = [r for r in records if r.name == name]
            both = " and ".join(f"{r.distribution} {r.version}" for r in owners)
            raise UserError(
                f"{both} both bring a plugin called {name!r}",
                hint=f"Uninstall one of them: pip uninstall {owners[0].distribution}, "
                f"or pip uninstall {owners[-1].distribution}.",
            )


def _with_off_switch(record: PluginRecord, records: list[PluginRecord]) -> PluginRecord:
    if record.state not in ("broken", "incompatible"):
        return record
    return replace(record, reason=f"{record.reason} {off_switch(record.name, records)}")


def _name_and_version(distribution: importlib_metadata.Distribution) -> tuple[str, str]:
    """From the first lines of its METADATA: parsing all of it takes a millisecond each."""
    text = distribution.read_text("METADATA") or ""
    head = text.partition("\n\n")[0]
    name = re.search(r"^Name: *(\S+)", head, re.MULTILINE)
    version = re.search(r"^Version: *(\S+)", head, re.MULTILINE)
    if name and version:
        return name[1], version[1]
    return distribution.name, distribution.version
