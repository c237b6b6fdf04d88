"""Progress on standard error: bars on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from hwcore.contract.context import Level
from hwcore.workflows.reporter import Progress

LINE_EVERY_S = 10.0
"""Plain lines report a long piece of work this often."""


def is_terminal() -> bool:
    """True when a person looks at standard error."""
    return sys.stderr.isatty()


class Lines:
    """A line when a piece of work begins and ends, and now and then between."""

    @contextmanager
    def work(self, title: str) -> Iterator[Progress]:
        """See `hwcore.workflows.reporter.Reporter`."""
        began = last = time.monotonic()

        def progress(fraction: float, message: str) -> None:
            nonlocal last
            now = time.monotonic()
            if now - last >= LINE_EVERY_S:
                last = now
                self._write(f"  {title}: {fraction:.0%} {message}".rstrip())

        yield progress
        self._write(f"{title}: {time.monotonic() - began:.1f} s")

    def log(self, message: str, level: Level = "info") -> None:
        """Warnings only: the rest is for people who watch."""
        if level == "warning":
            self._write(f"warning: {message}")

    def _write(self, line: str) -> None:
        sys.stderr.write(line + "\n")
        sys.stderr.flush()


class Bars:
    """One bar per piece of work, with its time when it is done."""

    def __init__(self) -> None:
        from rich.console import Console

        self._console = Console(stderr=True, highlight=False)

    @contextmanager
    def work(self, title: str) -> Iterator[Progress]:
        """See `hwcore.workflows.reporter.Reporter`."""
        from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeElapsedColumn
        from rich.progress import Progress as Rich

        columns = (
            TextColumn("{task.description}"),
            BarColumn(bar_width=30),
            TaskProgressColumn(),
            TimeElapsedColumn(),
            TextColumn("[dim]{task.fields[message]}"),
        )
        began = time.monotonic()
        with Rich(*columns, console=self._console, transient=True) as bars:
            task = bars.add_task(title, total=1.0, message="")

            def progress(fraction: float, message: str) -> None:
                bars.update(task, completed=fraction, message=message)

            yield progress
        self._console.print(f"[green]✓[/] {title} [dim]{time.monotonic() - began:.1f} s[/]")

    def log(self, message: str, level: Level = "info") -> None:
        """Warnings in yellow; the rest only with bars, dimmed."""
        if level == "warning":
            self._console.print(f"[yellow]warning:[/] {message}", markup=True)
