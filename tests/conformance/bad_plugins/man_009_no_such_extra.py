"""Needs an extra that its wheel does not have."""

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

KILLS = "MAN-009"
SAYS = "the extra 'bild'"
PATCHES = {"hwcore-plugin.toml": ['extra = "build"', 'extra = "bild"']}
STOPS = True
