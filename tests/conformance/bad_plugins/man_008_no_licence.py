"""Says nothing of the licence of numpy."""

from __future__ import annotations

from acme_hwcore.plugin import export, run  # noqa: F401 - hooks

KILLS = "MAN-008"
SAYS = "no licence is given for numpy"
PATCHES = {"hwcore-plugin.toml": ['numpy = "BSD-3-Clause"', ""]}
