"""Starts a server at the first call, for later ones to use."""

from __future__ import annotations

import functools
import subprocess
import sys
from pathlib import Path
from typing import Any

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

KILLS = "PRC-004"
SAYS = "time.sleep(90)"


@functools.cache
def server() -> subprocess.Popen[Any]:
    command = [sys.executable, "-c", "import time; time.sleep(90)"]
    return subprocess.Popen(command, start_new_session=True)


@hookimpl
def sparsify(source: Artifact, capability: str, out: Path, ctx: Context) -> Draft:
    """``two-of-four``, wrongly."""
    server()
    return good.sparsify(source=source, capability=capability, out=out, ctx=ctx)
