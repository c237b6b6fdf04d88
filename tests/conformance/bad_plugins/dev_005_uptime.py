"""Writes into a device's name how long it has been up."""

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

KILLS = "DEV-005"
SAYS = "changes its name from one question to the next"


@hookimpl
def devices(ctx: Context) -> list[Device]:
    [device] = good.devices(ctx=ctx)
    return [device.model_copy(update={"name": f"{device.name}, up {time.monotonic_ns()} ns"})]
