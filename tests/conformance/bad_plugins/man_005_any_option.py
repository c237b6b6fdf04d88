"""Its option schema takes every name."""

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

KILLS = "MAN-005"
SAYS = "npz takes the option 'hwcore-no-such-option'"
PATCHES = {"options.schema.json": ['"additionalProperties": false', '"additionalProperties": true']}
