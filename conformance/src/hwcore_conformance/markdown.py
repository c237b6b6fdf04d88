"""A report as Markdown, for the summary of a CI job."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import groupby

from hwcore_conformance.clause import Clause
from hwcore_conformance.findings import Finding, findings
from hwcore_conformance.report import Report, entry_of
from hwcore_conformance.text import one_line
from hwcore_conformance.verdict import Fate, Standing, Verdict

SIGNS = {
    Standing.KEPT: "✅",
    Standing.BROKEN: "❌",
    Standing.PARTIAL: "🟡",
    Standing.NOT_DECLARED: "➖",
    Standing.NOT_RUN_ON_HARDWARE: "⚪",
}
VERDICTS = {Verdict.PASS: "✅", Verdict.PARTIAL: "🟡", Verdict.FAIL: "❌"}
_HEADINGS = {
    Fate.BROKEN: "Broken",
    Fate.STALE: "Listed as known failures, and they pass: remove them",
    Fate.KNOWN: "Known failures",
    Fate.DISABLED: "Disabled",
    Fate.TOLD: "Not kept, and not required",
    Fate.ABSENT: "Not run on hardware",
}


def as_markdown(report: Report, clauses: dict[str, Clause]) -> str:
    """The page."""
    return "\n".join(_lines(report, clauses)) + "\n"


def _lines(report: Report, clauses: dict[str, Clause]) -> Iterator[str]:
    plugin = report.plugin
    certified = ", certified" if report.certified else ""
    yield f"## hwcore conformance: {plain(plugin.name)} {plain(plugin.version)}"
    yield ""
    yield f"{VERDICTS[report.verdict]} **{report.verdict}**{certified}"
    yield ""
    yield from (f"- {plain(reason)}" for reason in report.because)
    yield from ("", "| level | |", "|---|---|")
    for level, stands in report.levels.items():
        yield f"| {level} | {SIGNS[stands]} {stands} |"
    for fate, found in groupby(findings(report), key=lambda finding: finding.fate):
        yield from ("", f"### {_HEADINGS[fate]}", "", "| clause | capability | what | mend |")
        yield "|---|---|---|---|"
        yield from (_row(report, finding, clauses) for finding in found)
    suite = report.suite
    yield ""
    yield (
        f"{len(report.executed)} of {len(report.required)} checks in {report.seconds:.0f} s, "
        f"seed {report.seed}. hwcore-conformance {plain(suite.version)}, hwcore "
        f"{plain(suite.core)}, contract {plain(suite.contract)}, Python {plain(report.python)}, "
        f"{plain(report.machine.name)}, {plain(report.machine.system)}."
    )


def _row(report: Report, finding: Finding, clauses: dict[str, Clause]) -> str:
    record, entry = finding.first, entry_of(report, finding.first)
    if finding.folded:
        said = f"{finding.together}: {record.message}".rstrip(": ")
        cells = [f"{len(finding.records)} checks", finding.capabilities, said, finding.hint]
    else:
        known = f"{entry.reason} (until {entry.expires}) " if entry is not None else ""
        said = f"{known}{record.message}" or finding.title
        hint = record.hint or clauses[record.clause].mend
        cells = [record.clause, record.capability, said, hint]
    return f"| {' | '.join(map(plain, cells))} |"


def plain(text: str) -> str:
    """Text that Markdown shows as it is, on one line."""
    return re.sub(r"([\\`*_{}\[\]<>#|~&!])", r"\\\1", one_line(text))
