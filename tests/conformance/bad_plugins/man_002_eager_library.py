"""Imports a library of its manifest with the module."""

from __future__ import annotations

import safetensors  # noqa: F401 - what is wrong here
from acme_reference.plugin import (  # noqa: F401 - hooks
    compile,
    devices,
    export,
    quantize,
    run,
    sensitivity,
    sparsify,
)

KILLS = "MAN-002"
SAYS = "imports safetensors"
