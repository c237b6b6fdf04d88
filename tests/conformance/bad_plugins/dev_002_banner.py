"""Its driver greets whoever loads it, from code that knows nothing of sys.stderr."""

from __future__ import annotations

import os

from acme_reference import plugin as good
from acme_reference.plugin import (  # noqa: F401 - hooks
    compile,
    export,
    quantize,
    run,
    sensitivity,
    sparsify,
)

from hwcore.contract import Context, Device, hookimpl

KILLS = "DEV-002"
SAYS = "it prints 'ACME runtime 4.2"


@hookimpl
def devices(ctx: Context) -> list[Device]:
    os.write(2, b"ACME runtime 4.2 (build 1337)\n")
    found: list[Device] = good.devices(ctx=ctx)
    return found
