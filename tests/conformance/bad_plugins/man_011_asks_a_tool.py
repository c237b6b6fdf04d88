"""Asks the vendor's tool which driver is there, when it is imported."""

from __future__ import annotations

import contextlib
import subprocess

from acme_reference.plugin import (  # noqa: F401 - hooks
    compile,
    devices,
    export,
    quantize,
    run,
    sensitivity,
    sparsify,
)

KILLS = "MAN-011"
SAYS = "acme_bad.plugin starts acme-smi"

DRIVER = b"none"
with contextlib.suppress(FileNotFoundError):
    DRIVER = subprocess.run(["acme-smi"], capture_output=True, check=False).stdout  # noqa: S607
