"""How far a run is, on standard error: a bar on a terminal, elsewhere a few lines."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from hwcore_conformance.clause import Clause
from hwcore_conformance.states import BAD, State
from hwcore_conformance.suite import Notify
from hwcore_conformance.text import named

_TOLD = frozenset({State.FAIL, State.ERROR})
"""States that get a line of their own; what could not be made often comes by the dozen."""

_WORDS = {
    State.PASS: "passed",
    State.FAIL: "failed",
    State.ERROR: "with an error of the suite",
    State.UNTESTABLE: "could not be made",
    State.NOT_DECLARED: "not declared",
    State.NOT_APPLICABLE: "not applicable",
    State.NOT_RUN_ON_HARDWARE: "not run on hardware",
    State.DISABLED: "disabled",
}


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
    """A line for each topic or capability when it is through, and one for each check it fails."""
    done, began, states = 0, time.monotonic(), Counter[State]()
    group = ""

    def notify(clause: Clause, capability: str, state: State | None) -> None:
        nonlocal done, began, group
        if state is None:
            if (here := capability or clause.topic) != group:
                finish()
                group, began = here, time.monotonic()
            return
        done += 1
        states[state] += 1
        if state in _TOLD:
            said = "" if clause.level == "MUST" else f" ({clause.level})"
            _write(f"{done}/{total} {named(clause.id, capability)} {state}{said}")
        if done == total:
            finish()

    def finish() -> None:
        if states:
            counts = ", ".join(
                f"{states[state]} {word}" for state, word in _WORDS.items() if states[state]
            )
            _write(f"{done}/{total} {group}: {counts}, {time.monotonic() - began:.1f} s")
            states.clear()

    return notify


def _write(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()
