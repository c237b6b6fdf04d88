"""Asks for a newer version of its library, once in a process."""

from __future__ import annotations

import functools
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
SAYS = "it talks to localhost"


@functools.cache
def updates() -> int:
    return len(socket.getaddrinfo("localhost", 80))


@hookimpl
def sparsify(source: Artifact, capability: str, out: Path, ctx: Context) -> Draft:
    """``two-of-four``, wrongly."""
    updates()
    return good.sparsify(source=source, capability=capability, out=out, ctx=ctx)
