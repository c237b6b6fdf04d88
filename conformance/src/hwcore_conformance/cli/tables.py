"""What a run came to, for people."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from hwcore_conformance.clause import Clause
from hwcore_conformance.findings import Finding, findings
from hwcore_conformance.report import Report, entry_of
from hwcore_conformance.states import State
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
"""What the listing calls each fate."""


def show_report(report: Report, clauses: Sequence[Clause], out: Path | None) -> None:
    """Whatever is not as it should be, each with how to mend it; then the levels, and why."""
    console, of = _console(), {clause.id: clause for clause in clauses}
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("level", "", "passed", "of"):
        table.add_column(column, justify="right" if column in ("passed", "of") else "left")
    for level, stands in report.levels.items():
        states = Counter(r.state for r in report.records if r.family == level)
        asked = sum(states.values()) - states[State.NOT_DECLARED] - states[State.NOT_APPLICABLE]
        numbers = (str(states[State.PASS]), str(asked)) if asked else ("", "")
        table.add_row(level, _coloured(stands), *numbers)
    for finding in findings(report):
        _show(console, report, finding, of)
    console.print(table)
    _show_verdict(console, report)
    console.print(Text(f"seed: {report.seed}"))
    if out is not None:
        console.print(Text(f"report: {out}"))


def show_verified(report: Report) -> None:
    """One line about a report that is as it says, and its levels."""
    console, plugin = _console(), report.plugin
    console.print(Text(f"{plugin.name} {plugin.version}: the report agrees with itself"))
    for level, stands in report.levels.items():
        console.print(Text(f"  {level} "), _coloured(stands))
    _show_verdict(console, report)


def _show(
    console: Console, report: Report, finding: Finding, clauses: Mapping[str, Clause]
) -> None:
    record, words = finding.first, _TOLD[finding.fate]
    state = "" if finding.folded else f" {record.state}"
    told = f" ({words})" if words and not (finding.folded and finding.fate is Fate.ABSENT) else ""
    console.print(Text(f"{finding.title}{state}{told}"), style="bold")
    entry = entry_of(report, record)
    text = "" if finding.folded else clauses[record.clause].text
    known = f"until {entry.expires}: {entry.reason}" if entry is not None else ""
    message = record.message if record.state is not State.DISABLED else ""
    hint = f"hint: {finding.hint}" if finding.hint else ""
    for line in filter(None, (text, known, message, hint)):
        console.print(Padding(Text(line), (0, 0, 0, 2), expand=False))
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
