"""Names a library that nothing brings."""

from __future__ import annotations

from acme_reference.plugin import (  # noqa: F401 - hooks
    compile,
    devices,
    export,
    quantize,
    run,
    sensitivity,
    sparsify,
)

KILLS = "MAN-007"
SAYS = "nothing brings acme-imaginary"
PATCHES = {
    "hwcore-plugin.toml": [
        '"numpy", "safetensors"]',
        '"numpy", "safetensors", "acme-imaginary"]',
        "[licences]",
        '[licences]\nacme-imaginary = "MIT"',
    ]
}
