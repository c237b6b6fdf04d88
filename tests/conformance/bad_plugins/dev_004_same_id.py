"""Gives both devices of a board the id of the board."""

from __future__ import annotations

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

KILLS = "DEV-004"
SAYS = "the id simulated:0 is there more than once"


@hookimpl
def devices(ctx: Context) -> list[Device]:
    [first] = good.devices(ctx=ctx)
    return [first, first.model_copy(update={"name": "Simulated device, second half"})]
