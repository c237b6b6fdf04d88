"""Looks around for two seconds when it is imported."""

from __future__ import annotations

import time

from acme_reference.plugin import (  # noqa: F401 - hooks
    compile,
    devices,
    export,
    quantize,
    run,
    sensitivity,
    sparsify,
)

KILLS = "MAN-003"
SAYS = "acme_bad.plugin takes 2"


time.sleep(2)
