"""What discovery found out about a plugin, and about all of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from hwcore.contract import Capability, Manifest, UserError
from hwcore.host.text import did_you_mean, listing

State = Literal["found", "loaded", "broken", "blocked", "incompatible"]
"""``found``: declared and checked, its code not loaded. ``loaded``: its code has run.
``broken``: its manifest or its code is at fault. ``blocked``: the user switched it off.
``incompatible``: made for another version of the contract."""

MANIFEST_FILE = "hwcore-plugin.toml"


@dataclass(frozen=True, slots=True)
class PluginRecord:
    """One installed plugin, known without having run any of its code."""

    name: str
    distribution: str
    version: str
    entry_point: str
    """``module`` or ``module:object``, as the distribution declares it."""
    state: State
    reason: str = ""
    """Why it is not usable, and how to do without it; empty while it is usable."""
    manifest: Manifest | None = None
    folder: Path | None = None
    """The folder in its package that holds the manifest."""
    schemas: Mapping[str, dict[str, Any]] = field(default_factory=dict, repr=False, hash=False)
    """JSON Schema of the options, by capability id."""

    @property
    def usable(self) -> bool:
        """True while its hooks may be called."""
        return self.state in ("found", "loaded")

    @property
    def hooks(self) -> tuple[str, ...]:
        """Hooks it claims; empty without a manifest."""
        return self.manifest.hooks if self.manifest else ()

    @property
    def capabilities(self) -> tuple[Capability, ...]:
        """Rows of its manifest; empty without one."""
        return self.manifest.capabilities if self.manifest else ()

    def capability(self, id: str, hook: str | None = None) -> Capability:
        """The row with that id, of that hook if one is given.

        Raises `UserError` that lists what there is.
        """
        rows = [row for row in self.capabilities if hook is None or row.hook == hook]
        for row in rows:
            if row.id == id:
                return row
        what = f"{hook} capability" if hook else "capability"
        elsewhere = next((row.hook for row in self.capabilities if row.id == id), None)
        raise UserError(
            f"plugin {self.name} has no {what} {id!r}"
            + (f"; {id!r} is of {elsewhere}" if elsewhere else "")
            + did_you_mean(id, [row.id for row in rows]),
            hint=f"It has for {hook}: {listing(row.id for row in rows)}."
            if hook
            else f"It has: {listing(row.id for row in rows)}.",
        )

    def library_versions(self) -> dict[str, str]:
        """Installed version of each of the manifest's libraries; those not there are left out."""
        from hwcore.host.requirements import installed_version

        libraries = self.manifest.libraries if self.manifest else ()
        versions = {name: installed_version(name) for name in libraries}
        return {name: version for name, version in versions.items() if version is not None}


@dataclass(frozen=True, slots=True)
class Discovery:
    """Every plugin that is installed, sorted by name."""

    records: tuple[PluginRecord, ...]

    @property
    def usable(self) -> tuple[PluginRecord, ...]:
        """Those whose hooks may be called."""
        return tuple(record for record in self.records if record.usable)

    def record(self, name: str) -> PluginRecord:
        """The plugin of that name in whatever state. Raises `UserError` with the nearest name."""
        for record in self.records:
            if record.name == name:
                return record
        names = [record.name for record in self.records]
        raise UserError(
            f"there is no plugin {name!r}{did_you_mean(name, names)}",
            hint=f"Installed: {listing(names)}.",
        )
