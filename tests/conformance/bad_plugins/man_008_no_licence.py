"""Says nothing of the licence of numpy."""

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

KILLS = "MAN-008"
SAYS = "no licence is given for numpy"
PATCHES = {"hwcore-plugin.toml": ['numpy = "BSD-3-Clause"', ""]}
