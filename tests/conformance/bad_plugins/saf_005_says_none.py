"""Reads models with a library that reports home, and says that nothing would be sent."""

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

KILLS = "SAF-005"
SAYS = "it uses huggingface-hub, and says that nothing would be sent"
PATCHES = {
    "hwcore-plugin.toml": [
        'libraries = ["acme-hwcore"',
        'libraries = ["huggingface-hub", "acme-hwcore"',
        "[licences]",
        '[licences]\nhuggingface-hub = "Apache-2.0"',
    ],
    "METADATA": [
        "Requires-Dist: safetensors",
        'Requires-Dist: huggingface-hub; extra == "build"\nRequires-Dist: safetensors',
    ],
}
