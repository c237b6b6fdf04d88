"""What to do about a plugin that fails."""

from __future__ import annotations

from collections.abc import Iterable

from hwcore.contract import Capability, PluginError
from hwcore.host.records import PluginRecord

_MAX_NAMES = 8


def off_switch(name: str, records: Iterable[PluginRecord]) -> str:
    """How to do without a plugin: the allow-list of the others that are usable."""
    others = [record.name for record in records if record.usable and record.name != name]
    if not others:
        return f"To do without {name}: --no-plugins."
    names = ",".join(others) if len(others) <= _MAX_NAMES else "<the plugins you want>"
    return f"To do without {name}: HWCORE_PLUGINS={names}."


def mend(record: PluginRecord, row: Capability | None, records: Iterable[PluginRecord]) -> str:
    """Install what the capability misses, if that may be it; or do without the plugin."""
    from hwcore.host.requirements import missing_requirements  # packaging's parser takes 15 ms

    off = off_switch(record.name, records)
    if row is None or row.extra is None:
        return off
    try:
        missing = missing_requirements(record, row.extra)
    except PluginError:  # a fault of its metadata; it is another one that is being told here
        return off
    if not missing:
        return off
    return f"Install what it needs: pip install '{record.distribution}[{row.extra}]'. {off}"
