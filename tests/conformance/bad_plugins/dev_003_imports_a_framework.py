"""Imports the framework to count devices, which takes its time."""

from __future__ import annotations

import time

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

KILLS = "DEV-003"
SAYS = "it takes 1."


@hookimpl
def devices(ctx: Context) -> list[Device]:
    time.sleep(1.2)
    found: list[Device] = good.devices(ctx=ctx)
    return found
