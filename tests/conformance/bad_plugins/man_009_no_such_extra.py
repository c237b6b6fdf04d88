"""Needs an extra that its wheel does not have."""

from __future__ import annotations

from acme_hwcore.plugin import export, run  # noqa: F401 - hooks

KILLS = "MAN-009"
SAYS = "the extra 'bild'"
PATCHES = {"hwcore-plugin.toml": ['extra = "build"', 'extra = "bild"']}
STOPS = True
