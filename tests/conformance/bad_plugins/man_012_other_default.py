"""Its schema was not changed when the default in the code was."""

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

KILLS = "MAN-012"
SAYS = "with its defaults spelt out, model.npz differs"
PATCHES = {"options.schema.json": ['"default": 127', '"default": 63']}
