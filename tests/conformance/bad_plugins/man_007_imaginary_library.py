"""Names a library that nothing brings."""

from __future__ import annotations

from acme_hwcore.plugin import export, run  # noqa: F401 - hooks

KILLS = "MAN-007"
SAYS = "nothing brings acme-imaginary"
PATCHES = {
    "hwcore-plugin.toml": [
        'libraries = ["numpy"]',
        'libraries = ["numpy", "acme-imaginary"]',
        "[licences]",
        '[licences]\nacme-imaginary = "MIT"',
    ]
}
