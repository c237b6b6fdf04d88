"""Takes the variable with the visible devices apart, and breaks where it is empty."""

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

KILLS = "DEV-001"
SAYS = "without hardware, it raises ValueError"


@hookimpl
def devices(ctx: Context) -> list[Device]:
    visible = {int(number) for number in os.environ.get("ZE_AFFINITY_MASK", "0").split(",")}
    found: list[Device] = good.devices(ctx=ctx)
    return [device for number, device in enumerate(found) if number in visible]
