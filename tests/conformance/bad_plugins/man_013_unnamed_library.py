"""Builds on a library whose version none of its artifacts tells."""

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

KILLS = "MAN-013"
SAYS = "its wheel requires acme-hwcore"
PATCHES = {
    "hwcore-plugin.toml": [
        'libraries = ["acme-hwcore", ',
        "libraries = [",
        'acme-hwcore = "Apache-2.0"\n',
        "",
    ]
}
