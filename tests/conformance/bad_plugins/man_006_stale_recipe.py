"""Its recipe names a capability that was renamed."""

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

KILLS = "MAN-006"
SAYS = "has a step quantize int8-weights"
PATCHES = {"recipes/reference-int8.yaml": ["capability: int8", "capability: int8-weights"]}
