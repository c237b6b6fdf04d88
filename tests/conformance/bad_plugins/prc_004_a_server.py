"""Starts a helper for its next call, and forgets it."""

from __future__ import annotations

import subprocess
import sys
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

KILLS = "PRC-004"
SAYS = "time.sleep(60)"


@hookimpl
def sparsify(source: Artifact, capability: str, out: Path, ctx: Context) -> Draft:
    """``two-of-four``, wrongly."""
    server = [sys.executable, "-c", "import time; time.sleep(60)"]
    subprocess.Popen(server, start_new_session=True)
    return good.sparsify(source=source, capability=capability, out=out, ctx=ctx)
