"""Many reports as one static page: plugins, their capabilities, versions and targets."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from html import escape
from itertools import groupby
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from packaging.version import InvalidVersion, Version

from hwcore.contract import HwcoreError, UserError
from hwcore_conformance.clause import Clause
from hwcore_conformance.findings import findings
from hwcore_conformance.folder import PAGE, REPORT
from hwcore_conformance.html import bar, document, pill, rich, words
from hwcore_conformance.report import Report, entry_of, fate_of
from hwcore_conformance.required import checked
from hwcore_conformance.states import Record
from hwcore_conformance.text import many, one_line
from hwcore_conformance.verdict import Fate, Standing, Verdict, judged, standing
from hwcore_conformance.verify import verify

_CORE = "What no single capability is about."


class Run(NamedTuple):
    """A report that verifies, and where it lies."""

    path: Path
    report: Report
    standings: dict[str, Standing]
    """Of the core (empty name), and of each capability."""


class Refused(NamedTuple):
    """A report that does not, and why."""

    path: Path
    reason: str


class Found(NamedTuple):
    """All reports below a folder."""

    runs: tuple[Run, ...]
    refused: tuple[Refused, ...]


def find(folder: Path, clauses: Sequence[Clause]) -> Found:
    """Read and verify every ``report.json`` below a folder. Raises `UserError` if there is none."""
    paths = sorted(folder.rglob(REPORT)) if folder.is_dir() else []
    if not paths:
        raise UserError(
            f"there is no {REPORT} below {folder}",
            hint="Put what `hwcore conformance run --out` wrote into folders below it.",
        )
    runs, refused = [], []
    for path in paths:
        try:
            report = verify(path, clauses=clauses)
        except HwcoreError as error:
            refused.append(Refused(path, error.message))
        else:
            runs.append(Run(path, report, standings(report, clauses)))
    return Found(tuple(runs), tuple(refused))


def standings(report: Report, clauses: Sequence[Clause]) -> dict[str, Standing]:
    """How the core (empty name) and each capability stand, by the rule for levels."""
    checks = judged(checked(clauses), report.capabilities, report.baseline, report.records)
    whole = not report.filters.any
    found = {"": report.levels["core"]}
    for row in report.capabilities:
        fates = (check.fate for check in checks if check.check.capability == row.id)
        found[row.id] = standing(fates, whole=whole)
    return found


def as_matrix(found: Found, *, root: Path, out: Path) -> str:
    """The page. ``root`` is the folder of the reports, ``out`` where the page will lie."""
    return document("hwcore conformance", _body(found, root, out))


def _body(found: Found, root: Path, out: Path) -> Iterator[str]:
    plugins = sorted({run.report.plugin.name for run in found.runs})
    yield "<h1>hwcore conformance</h1>"
    yield (
        f'<p class="soft">{many(len(found.runs), "report")} of '
        f"{many(len(plugins), 'plugin')}, the newest version first. A cell says how a capability "
        "stood in a run; open it to see why.</p>"
    )
    if found.refused:
        items = "".join(f"<li>{escape(_reason(bad, root))}</li>" for bad in found.refused)
        yield (
            f'<div class="rejected"><b>{many(len(found.refused), "report")} rejected</b>'
            f"<ul>{items}</ul></div>"
        )
    states = [state for run in found.runs for state in run.standings.values()]
    yield bar("plugin, capability, version or target", states)
    for name in plugins:
        runs = [run for run in found.runs if run.report.plugin.name == name]
        yield from _plugin(name, runs, out)


def _plugin(name: str, runs: Sequence[Run], out: Path) -> Iterator[str]:
    """A section: a row for each capability, a column for each version on each target.

    The newest version comes first, and the machines of a version are in one order for every
    plugin: equal columns of two plugins tend to stand below each other.
    """
    by_kind = groupby(sorted(runs, key=_kind), key=_kind)
    columns = [sorted(group, key=_age, reverse=True) for _, group in by_kind]
    columns.sort(key=lambda group: _release(group[0]), reverse=True)
    newest = [group[0] for group in columns]
    rows: dict[tuple[str, str], str] = {("", "core"): _CORE}
    for run in newest:
        for row in run.report.capabilities:
            rows.setdefault((row.id, row.hook), row.summary)
    told = " ".join([name, *(_column(run) for run in newest)])
    yield f'<section data-group data-text="{escape(told)}"><h2>{escape(name)}</h2>'
    yield '<div class="runs"><table><thead><tr><th>capability'
    yield from (_head(group, out) for group in columns)
    yield "</tr></thead><tbody>"
    for (id, hook), summary in rows.items():
        states = "|".join(run.standings.get(id, Standing.NOT_DECLARED) for run in newest)
        text = f"{id} {hook} {summary} {states.replace('|', ' ')}"
        label = f'<span class="id">{escape(id)}</span> <span class="soft">{hook}</span>'
        if summary:
            label += f'<br><span class="soft small">{rich(summary)}</span>'
        yield f'<tr data-row data-states="{states}" data-text="{escape(text)}"><th>{label}'
        yield from (_cell(run, id, out) for run in newest)
        yield "</tr>"
    yield "</tbody></table></div></section>"


def _kind(run: Run) -> tuple[str, str, str, str]:
    report = run.report
    machine = report.machine
    return machine.name, machine.system, machine.fingerprint, report.plugin.version


def _release(run: Run) -> Version:
    """The plugin's version, to sort by; one that is no version is older than all that are."""
    try:
        return Version(run.report.plugin.version)
    except InvalidVersion:
        return Version("0.dev0")


def _age(run: Run) -> str:
    return run.report.started.isoformat()


def _column(run: Run) -> str:
    """What a column is called where there is no head to see, and found by."""
    report = run.report
    features = " ".join(report.machine.target.features)
    return f"{report.plugin.version} {report.machine.name} {report.machine.system} {features}"


def _head(group: Sequence[Run], out: Path) -> str:
    run = group[0]
    report = run.report
    title = _linked(f"<b>{escape(report.plugin.version)}</b>", run, out)
    earlier = f", {many(len(group) - 1, 'earlier run')}" if len(group) > 1 else ""
    certified = f" {pill('certified', 'good')}" if report.certified else ""
    return (
        f"<th>{title} {_narrowed(run, report.verdict)}{certified}<br>"
        f"{escape(report.machine.summary)}<br>"
        f'<span class="soft small">{escape(report.machine.system)}<br>'
        f"target {escape(report.machine.fingerprint)}<br>"
        f"suite {escape(report.suite.version)}, {report.started:%Y-%m-%d}{earlier}</span>"
    )


def _narrowed(run: Run, stands: Standing | Verdict) -> str:
    """A state, with what the run was narrowed to: less than whole is to be seen at once."""
    filters = one_line(str(run.report.filters), 40)
    if not filters or stands is Standing.NOT_DECLARED:
        return pill(stands)
    if stands in (Standing.PARTIAL, Verdict.PARTIAL):
        return pill(stands, label=f"{words(stands)}: {filters}")
    return f'{pill(stands)} <span class="soft small">{escape(filters)}</span>'


def _cell(run: Run, id: str, out: Path) -> str:
    stands = run.standings.get(id, Standing.NOT_DECLARED)
    report = run.report
    label = escape(f"{report.plugin.version}, {report.machine.name}, {report.started:%Y-%m-%d}")
    details = "".join(f"<li>{rich(line)}</li>" for line in _lines(report, id))
    shown = _narrowed(run, stands)
    if details:
        details += f"<li>{_linked('report', run, out)}</li>"
        shown = f"<details><summary>{shown}</summary><ul>{details}</ul></details>"
    return f'<td data-label="{label}">{shown}'


def _lines(report: Report, id: str) -> Iterator[str]:
    """Why a cell is what it is."""
    records = [record for record in report.records if _belongs(record, id)]
    for finding in findings(report, records):
        record, entry = finding.first, entry_of(report, finding.first)
        why = record.message or (entry.reason if entry is not None else "")
        if finding.folded:
            yield f"{len(finding.records)} checks {finding.together}: {why}".rstrip(": ")
        else:
            told = finding.fate is Fate.TOLD
            said = f"{record.level} not kept" if told else finding.fate.name.lower()
            yield f"{record.clause}, {said}: {why}".rstrip(": ")
    if records:
        fates = [fate_of(report, record) for record in records]
        void = fates.count(Fate.VOID)
        rest = f", {void} had nothing to check" if void else ""
        yield f"{fates.count(Fate.KEPT)} of {many(len(records) - void, 'check')} passed{rest}"
    if report.filters.any:
        yield f"narrowed by {report.filters}"


def _belongs(record: Record, id: str) -> bool:
    return record.capability == id and (id != "" or record.family == "core")


def _reason(bad: Refused, root: Path) -> str:
    """Why a report is rejected, with its path below the folder and not the folder's own."""
    path = str(bad.path.relative_to(root))
    return f"{path}: {bad.reason.replace(str(bad.path), 'it')}"


def _linked(inner: str, run: Run, out: Path) -> str:
    """HTML that leads to a run's own page, where that lies beside its report."""
    page = run.path.with_name(PAGE)
    if not page.is_file():
        return inner
    target = quote(os.path.relpath(page.resolve(), out.resolve().parent))
    return f'<a href="{escape(target)}">{inner}</a>'
