"""Imports a library of its manifest with the module."""

from __future__ import annotations

import filelock  # noqa: F401 - what is wrong here
from acme_hwcore.plugin import export, run  # noqa: F401 - hooks

KILLS = "MAN-002"
SAYS = "imports filelock"
PATCHES = {
    "hwcore-plugin.toml": [
        'libraries = ["numpy"]',
        'libraries = ["numpy", "filelock"]',
        "[licences]",
        '[licences]\nfilelock = "MIT"',
    ]
}
