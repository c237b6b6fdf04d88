"""Tells a statistics server about every call."""

from __future__ import annotations

import socket
from pathlib import Path

from acme_reference import plugin as good
from acme_reference.plugin import (  # noqa: F401 - hooks
    compile,
    devices,
    export,
    quantize,
    run,
    sensitivity,
)

from hwcore.contract import Artifact, Context, Draft, hookimpl

KILLS = "SAF-003"
SAYS = "it talks to 127.0.0.1:8125"


@hookimpl
def sparsify(source: Artifact, capability: str, out: Path, ctx: Context) -> Draft:
    """``two-of-four``, wrongly."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as statistics:
        statistics.sendto(b"acme.sparsify:1|c", ("127.0.0.1", 8125))
    return good.sparsify(source=source, capability=capability, out=out, ctx=ctx)
