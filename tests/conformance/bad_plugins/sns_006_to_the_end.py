"""Measures every layer, whatever it is told meanwhile."""

from __future__ import annotations

from typing import Any

from acme_reference import plugin as good
from acme_reference.plugin import (  # noqa: F401 - hooks
    compile,
    devices,
    export,
    quantize,
    run,
    sparsify,
)

from hwcore.contract import Artifact, Context, Dataset, Sensitivity, hookimpl

KILLS = "SNS-006"
SAYS = "told that it is cancelled, it goes on"


class Deaf:
    """A context that is never cancelled."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx

    def cancelled(self) -> bool:
        return False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._ctx, name)


@hookimpl
def sensitivity(source: Artifact, data: Dataset, ctx: Context) -> Sensitivity:
    found: Sensitivity = good.sensitivity(source=source, data=data, ctx=Deaf(ctx))
    return found
