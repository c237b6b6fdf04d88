"""Says nothing of a capability but its id."""

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

KILLS = "MAN-014"
SAYS = "nothing is said of float64"
PATCHES = {"hwcore-plugin.toml": ['summary = "The same in float64."\n', ""]}
