"""What sensitivity's tests share."""

from __future__ import annotations

from typing import Any

from core_plugin_torch import plugin
from hwcore.contract import Artifact, Dataset, Sensitivity
from hwcore.host.context import HookContext
from hwcore.host.events import Event, EventSink

ROWS = 24
SEED = 0
CUT = 8
"""Every so many channels one is an outlier."""
BROKEN = "bert.encoder.layer.0.attention.output.dense"
"""The layer that reads them."""


def ask(
    source: Artifact, data: Dataset, events: list[Event] | None = None, **options: Any
) -> Sensitivity:
    """Call the hook, in this process, with one thread."""
    sink = EventSink("torch", "sensitivity", None if events is None else events.append)
    ctx = HookContext(sink, threads=1)
    return plugin.sensitivity(source=source, options=options, data=data, ctx=ctx)
