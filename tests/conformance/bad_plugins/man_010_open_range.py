"""Claims to work with every version of the contract that there will ever be."""

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

KILLS = "MAN-010"
SAYS = "holds contract 2.0"
PATCHES = {"hwcore-plugin.toml": ['contract = ">=1.1,<2"', 'contract = ">=1.1"']}
