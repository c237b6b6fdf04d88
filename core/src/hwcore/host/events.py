"""What a host tells while a plugin works: how far it is, and what it says."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol

from hwcore.contract.context import Level

Stream = Literal["log", "output"]
"""Where a line came from: ``ctx.log``, or what a worker wrote to its standard streams."""


@dataclass(frozen=True, slots=True)
class ProgressEvent:
    """A step got further. ``fraction`` grows from 0 to 1 within one call."""

    plugin: str
    hook: str
    fraction: float
    message: str = ""


@dataclass(frozen=True, slots=True)
class LogEvent:
    """A line of a plugin, or of the host about a plugin."""

    plugin: str
    hook: str
    message: str
    level: Level = "info"
    stream: Stream = "log"


Event = ProgressEvent | LogEvent
OnEvent = Callable[[Event], None]


class Sink(Protocol):
    """Where a hook's progress and log lines go: to a callback here, or over the wire."""

    def progress(self, fraction: float, message: str) -> None: ...

    def log(self, message: str, level: Level, stream: Stream = "log") -> None: ...


class EventSink:
    """Turns what one call says into events; without a callback they are dropped.

    A callback that raises is no plugin's fault and stops no work: its traceback goes to
    ``sys.excepthook``, as an error in a `logging` handler does.
    """

    def __init__(self, plugin: str, hook: str, on_event: OnEvent | None) -> None:
        self._plugin = plugin
        self._hook = hook
        self._on_event = on_event

    def progress(self, fraction: float, message: str) -> None:
        self._emit(ProgressEvent(self._plugin, self._hook, fraction, message))

    def log(self, message: str, level: Level, stream: Stream = "log") -> None:
        self._emit(LogEvent(self._plugin, self._hook, message, level, stream))

    def _emit(self, event: Event) -> None:
        if self._on_event is None:
            return
        try:
            self._on_event(event)
        except Exception:
            sys.excepthook(*sys.exc_info())
