"""Pages that are one file: style and script inside, nothing fetched, nothing run but our own."""

from __future__ import annotations

import base64
import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from html import escape
from importlib.resources import files

from hwcore_conformance.clause import TOPICS, Clause
from hwcore_conformance.findings import Finding, findings
from hwcore_conformance.report import Report, entry_of, fate_of
from hwcore_conformance.states import BAD, Record, State
from hwcore_conformance.text import named
from hwcore_conformance.verdict import Fate, Standing, Verdict

CLASSES: dict[str, str] = {
    Standing.KEPT: "good",
    Standing.BROKEN: "bad",
    Standing.PARTIAL: "half",
    Verdict.PASS: "good",
    Verdict.FAIL: "bad",
    State.PASS: "good",
    **dict.fromkeys(BAD, "bad"),
    State.DISABLED: "half",
    State.NOT_RUN_ON_HARDWARE: "half",
}
"""Colour of each state, standing and verdict; the rest is grey."""


def document(title: str, body: Iterable[str]) -> str:
    """A whole page. The policy in it lets a browser run this script and no other."""
    style, script = (
        files("hwcore_conformance").joinpath("page", name).read_text("utf-8")
        for name in ("style.css", "filter.js")
    )
    policy = (
        f"default-src 'none'; style-src '{_hash(style)}'; script-src '{_hash(script)}'; "
        "base-uri 'none'; form-action 'none'"
    )
    parts = "\n".join(body)
    return f"""\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(title)}</title>
<style>{style}</style>
</head>
<body>
{parts}
<script>{script}</script>
</body>
</html>
"""


def bar(placeholder: str, states: Iterable[str]) -> str:
    """The filter: a box, and a button for each state with how many there are of it."""
    counts = Counter(states)
    order = sorted(counts, key=lambda state: (_ORDER.index(CLASSES.get(state, "")), state))
    buttons = "".join(
        f'<button type="button" value="{escape(state)}" aria-pressed="false">'
        f"{escape(words(state))} {counts[state]}</button>"
        for state in order
    )
    return (
        f'<div class="bar" hidden><input type="search" placeholder="{escape(placeholder)}" '
        f'aria-label="{escape(placeholder)}">{buttons}<output class="soft small"></output></div>'
    )


def pill(state: str, extra: str = "", *, colour: str | None = None, label: str = "") -> str:
    """A state in its colour, or in another, by its name, or by another."""
    shade = CLASSES.get(state, "") if colour is None else colour
    names = " ".join(filter(None, ("state", shade, extra)))
    return f'<span class="{names}">{escape(label or words(state))}</span>'


def rich(text: str) -> str:
    """HTML of a text: what is between backticks is code, and all else is as it was written."""
    return re.sub(r"`([^`\n]+)`", r"<code>\1</code>", escape(text))


def words(state: str) -> str:
    """A state as people write it: ``not run on hardware``."""
    return state.replace("_", " ").lower()


def as_page(report: Report, clauses: dict[str, Clause]) -> str:
    """``report.html``."""
    title = f"{report.plugin.name} {report.plugin.version}: hwcore conformance"
    return document(title, _body(report, clauses))


def _body(report: Report, clauses: dict[str, Clause]) -> Iterator[str]:
    plugin = report.plugin
    yield f"<h1>{escape(plugin.name)} {escape(plugin.version)}</h1>"
    yield f'<p class="soft">hwcore conformance, {report.started:%Y-%m-%d %H:%M} UTC</p>'
    certified = pill("certified", "verdict good") if report.certified else ""
    yield f"<p>{pill(report.verdict, 'verdict')}{certified}</p>"
    if report.because:
        items = "".join(f"<li>{escape(reason)}</li>" for reason in report.because)
        yield f'<ul class="because">{items}</ul>'
    yield from _broken(report, clauses)
    yield '<div class="levels">'
    for level, stands in report.levels.items():
        yield f"<div><b>{level}</b>{pill(stands)}</div>"
    yield "</div>"
    yield from _facts(report)
    yield bar("clause, capability or word", [record.state for record in report.records])
    for prefix, topic in TOPICS.items():
        records = [record for record in report.records if record.clause.startswith(prefix)]
        if records:
            yield f'<section data-group data-text="{escape(topic)}"><h2>{escape(topic)}</h2>'
            yield '<table class="checks"><thead><tr><th>clause<th>capability<th>state<th>what'
            yield '<th class="number">s</tr></thead>'
            yield "<tbody>"
            yield from (_row(report, record, clauses[record.clause]) for record in records)
            yield "</tbody></table></section>"


def _broken(report: Report, clauses: dict[str, Clause]) -> Iterator[str]:
    """Why the verdict is fail, before all else: each with what to do, and a way to its row."""
    found = [f for f in findings(report) if f.fate in (Fate.BROKEN, Fate.STALE)]
    items = [_finding(finding, clauses[finding.first.clause]) for finding in found]
    if items:
        yield f'<ul class="broken">{"".join(items[:_FIRST])}</ul>'
    if more := items[_FIRST:]:
        yield f'<details class="broken"><summary>{len(more)} more</summary>'
        yield f'<ul class="broken">{"".join(more)}</ul></details>'


def _finding(finding: Finding, clause: Clause) -> str:
    record = finding.first
    link = f'<a class="id" href="#{escape(_anchor(record))}">{escape(finding.title)}</a>'
    state = "" if finding.folded else f" {pill(record.state, colour='bad')}"
    parts = [f"<b>{link}</b>{state}"]
    if not finding.folded:
        parts.append(f"<p>{rich(clause.text)}</p>")
    if finding.fate is Fate.STALE:
        parts.append('<p class="message">It passes, and the baseline lists it: remove it.</p>')
    if record.message:
        parts.append(f'<p class="message">{rich(record.message)}</p>')
    if finding.hint:
        parts.append(f'<p class="message soft">Mend: {rich(finding.hint)}</p>')
    return f"<li>{''.join(parts)}</li>"


def _anchor(record: Record) -> str:
    """What a record's row is called in the page."""
    return named(record.clause, record.capability).replace(" ", "-")


def _facts(report: Report) -> Iterator[str]:
    plugin, suite, machine = report.plugin, report.suite, report.machine
    if plugin.wheel is not None:
        origin = f"{plugin.wheel.name}, sha256 {plugin.wheel.sha256}"
    elif plugin.editable:
        origin = "installed as editable"
    else:
        origin = f"RECORD sha256 {plugin.record_sha256}" if plugin.record_sha256 else "not a wheel"
    libraries = ", ".join(f"{name} {version}" for name, version in report.libraries.items())
    facts = {
        "distribution": f"{plugin.distribution} {plugin.version}, {origin}",
        "libraries": libraries or "none",
        "suite": f"hwcore-conformance {suite.version}, hwcore {suite.core}, "
        f"contract {suite.contract}, Python {report.python}",
        "machine": f"{machine.summary}, {machine.system}",
        "target": f"{machine.fingerprint}: {' '.join(machine.target.features) or 'no features'}",
        "run": f"{len(report.executed)} of {len(report.required)} checks in "
        f"{report.seconds:.1f} s, seed {report.seed}",
        "filters": str(report.filters) or "none",
        "baseline": f"{len(report.baseline)} entries" if report.baseline else "none",
        "digest": report.digest,
    }
    pairs = "".join(f"<dt>{escape(k)}<dd>{escape(v)}" for k, v in facts.items())
    yield '<details class="facts small"><summary>What was checked, with what, where</summary>'
    yield f"<dl>{pairs}</dl></details>"


def _row(report: Report, record: Record, clause: Clause) -> str:
    name = named(record.clause, record.capability)
    parts = [rich(clause.text)]
    entry = entry_of(report, record)
    if entry is not None:
        words_ = f"{entry.state} until {entry.expires}: {entry.reason}"
        parts.append(f'<p class="message"><b>{escape(words_)}</b></p>')
    if record.message and (entry is None or record.message != entry.reason):
        parts.append(f'<p class="message">{rich(record.message)}</p>')
    if record.hint:
        parts.append(f'<p class="message soft">Mend: {rich(record.hint)}</p>')
    if record.measured:
        pairs = "".join(f"<dt>{escape(k)}<dd>{escape(_value(v))}" for k, v in _measured(record))
        parts.append(
            f'<details class="small soft"><summary>measured</summary><dl>{pairs}</dl></details>'
        )
    came = fate_of(report, record)
    told = "half" if record.state in BAD and came is not Fate.BROKEN else None
    label = f"{words(record.state)} ({record.level})" if came is Fate.TOLD else ""
    text = f"{name} {clause.text} {record.message} {words(record.state)}"
    return (
        f'<tr data-row data-states="{record.state}" data-text="{escape(text)}">'
        f'<td class="id" id="{escape(_anchor(record))}">{escape(record.clause)}'
        f'<td class="id">{escape(record.capability)}'
        f'<td>{pill(record.state, colour=told, label=label)}<td class="what">{"".join(parts)}'
        f'<td class="number soft">{record.seconds:.2f}</tr>'
    )


def _measured(record: Record) -> list[tuple[str, object]]:
    return sorted(record.measured.items())


def _value(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    return ", ".join(map(_value, value)) if isinstance(value, list) else str(value)


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


_FIRST = 6
"""Findings that are shown before the rest is folded away."""

_ORDER = ("bad", "half", "good", "")
