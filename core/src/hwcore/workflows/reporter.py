"""What a workflow tells the person who waits. The command line shows it; a program may not care."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

from hwcore.contract.context import Level
from hwcore.host import Event, OnEvent, ProgressEvent

Progress = Callable[[float, str], None]
"""How far a piece of work is, 0 to 1, and a few words on what it is doing."""


class Reporter(Protocol):
    """Shows pieces of work one after the other, and log lines between them."""

    def work(self, title: str) -> AbstractContextManager[Progress]:
        """A piece of work begins; it ends with the ``with`` block."""
        ...

    def log(self, message: str, level: Level = "info") -> None:
        """A line."""
        ...


def show(reporter: Reporter, progress: Progress, warnings: list[str] | None = None) -> OnEvent:
    """Events of the host as progress and log lines; warnings are added to ``warnings``."""

    def on_event(event: Event) -> None:
        if isinstance(event, ProgressEvent):
            progress(event.fraction, event.message)
            return
        reporter.log(event.message, event.level)
        if warnings is not None and event.level == "warning":
            warnings.append(event.message)

    return on_event


class Once:
    """Hands on to another reporter, each line once: many plans may have reason for one warning."""

    def __init__(self, reporter: Reporter) -> None:
        self._reporter = reporter
        self._said: set[tuple[str, Level]] = set()

    def work(self, title: str) -> AbstractContextManager[Progress]:
        return self._reporter.work(title)

    def log(self, message: str, level: Level = "info") -> None:
        if (message, level) not in self._said:
            self._said.add((message, level))
            self._reporter.log(message, level)


class Silent:
    """Shows nothing."""

    @contextmanager
    def work(self, title: str) -> Iterator[Progress]:
        yield lambda fraction, message: None

    def log(self, message: str, level: Level = "info") -> None:
        """Nobody listens; warnings are in the study."""
