"""Its manifest goes by another name than its entry point."""

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

KILLS = "MAN-001"
SAYS = "its entry point is called"
PATCHES = {"hwcore-plugin.toml": ['name = "reference"', 'name = "reference2"']}
STOPS = True
