"""How far a run is, on standard error: a bar on a terminal, a line for each check elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from hwcore_conformance.clause import Clause
from hwcore_conformance.states import BAD, State
from hwcore_conformance.suite import Notify
from hwcore_conformance.text import named


@contextmanager
def progress(total: int) -> Iterator[Notify]:
    """To be told of every check before and after it."""
    if sys.stderr.isatty():
        with _bar(total) as notify:
            yield notify
    else:
        yield _lines(total)


@contextmanager
def _bar(total: int) -> Iterator[Notify]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        BarColumn(30),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.description}", markup=False),
    )
    console = Console(stderr=True, highlight=False, markup=False)
    with Progress(*columns, console=console, transient=True) as bars:
        task = bars.add_task("", total=total)

        def notify(clause: Clause, capability: str, state: State | None) -> None:
            name = named(clause.id, capability)
            if state is None:
                bars.update(task, description=name)
                return
            bars.advance(task)
            if state in BAD:
                bars.console.print(f"{name} {state}")

        yield notify


def _lines(total: int) -> Notify:
    done, began = 0, time.monotonic()

    def notify(clause: Clause, capability: str, state: State | None) -> None:
        nonlocal done, began
        if state is None:
            began = time.monotonic()
            return
        done += 1
        seconds = time.monotonic() - began
        name = named(clause.id, capability)
        sys.stderr.write(f"{done}/{total} {name} {state} {seconds:.1f} s\n")
        sys.stderr.flush()

    return notify
