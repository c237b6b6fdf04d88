"""What a run came to, for people."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from hwcore_conformance.clause import Clause
from hwcore_conformance.report import Report, entry_of, fate_of
from hwcore_conformance.states import Record, State
from hwcore_conformance.text import named
from hwcore_conformance.verdict import Fate, Standing, Verdict

_WIDTH_OF_LOGS = 160
_COLOURS = {
    Standing.KEPT: "green",
    Standing.BROKEN: "red",
    Standing.PARTIAL: "yellow",
    Standing.NOT_RUN_ON_HARDWARE: "yellow",
    Verdict.PASS: "green",
    Verdict.PARTIAL: "yellow",
    Verdict.FAIL: "red",
}
_TOLD = {
    Fate.BROKEN: "",
    Fate.STALE: "listed as a known failure, and it passes: remove the entry",
    Fate.KNOWN: "known failure",
    Fate.DISABLED: "disabled",
    Fate.TOLD: "not required",
    Fate.ABSENT: "not run on hardware",
}
"""Fates that the listing below the table is about, in this order, and what it calls them."""


def show_report(report: Report, clauses: Sequence[Clause], out: Path | None) -> None:
    """The levels, then whatever is not as it should be, each with how to mend it."""
    console, of = _console(), {clause.id: clause for clause in clauses}
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("level", "", "passed", "of"):
        table.add_column(column, justify="right" if column in ("passed", "of") else "left")
    for level, stands in report.levels.items():
        states = Counter(r.state for r in report.records if r.family == level)
        asked = sum(states.values()) - states[State.NOT_DECLARED] - states[State.NOT_APPLICABLE]
        numbers = (str(states[State.PASS]), str(asked)) if asked else ("", "")
        table.add_row(level, _coloured(stands), *numbers)
    for wanted, words in _TOLD.items():
        for record in report.records:
            if fate_of(report, record) is wanted:
                _show(console, report, record, words, of[record.clause])
    console.print(table)
    _show_verdict(console, report)
    if out is not None:
        console.print(Text(f"report: {out}"))


def show_verified(report: Report) -> None:
    """One line about a report that is as it says, and its levels."""
    console, plugin = _console(), report.plugin
    console.print(Text(f"{plugin.name} {plugin.version}: the report agrees with itself"))
    for level, stands in report.levels.items():
        console.print(Text(f"  {level} "), _coloured(stands))
    _show_verdict(console, report)


def _show(console: Console, report: Report, record: Record, words: str, clause: Clause) -> None:
    name = named(record.clause, record.capability)
    console.print(Text(f"{name} {record.state}" + (f" ({words})" if words else "")), style="bold")
    entry = entry_of(report, record)
    known = f"until {entry.expires}: {entry.reason}" if entry is not None else ""
    message = record.message if record.state is not State.DISABLED else ""
    for line in (clause.text, known, message):
        if line:
            console.print(Padding(Text(line), (0, 0, 0, 2), expand=False))
    if record.hint:
        console.print(Padding(Text(f"hint: {record.hint}"), (0, 0, 0, 2), expand=False))
    console.print()


def _show_verdict(console: Console, report: Report) -> None:
    certified = ", certified" if report.certified else ""
    verdict = Text("verdict: ").append_text(_coloured(report.verdict)).append(certified)
    console.print(verdict)
    for reason in report.because:
        console.print(Padding(Text(reason), (0, 0, 0, 2), expand=False))


def _coloured(state: Standing | Verdict) -> Text:
    return Text(state.value, style=_COLOURS.get(state, "dim"))


def _console() -> Console:
    return Console(highlight=False, width=None if sys.stdout.isatty() else _WIDTH_OF_LOGS)
