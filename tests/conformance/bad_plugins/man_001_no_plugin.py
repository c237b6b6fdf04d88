"""Its manifest goes by another name than its entry point."""

from __future__ import annotations

from acme_hwcore.plugin import export, run  # noqa: F401 - hooks

KILLS = "MAN-001"
SAYS = "its entry point is called"
PATCHES = {"hwcore-plugin.toml": ['name = "acme"', 'name = "acme2"']}
STOPS = True
