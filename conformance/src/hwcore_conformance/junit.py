"""A report as JUnit XML, which CI systems show: a suite for each topic, a case for each check."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import groupby
from xml.etree import ElementTree as Xml

from hwcore_conformance.clause import TOPICS, Clause
from hwcore_conformance.report import Report, entry_of, fate_of
from hwcore_conformance.states import BAD, Record, State
from hwcore_conformance.text import named
from hwcore_conformance.verdict import Fate


def as_junit(report: Report, clauses: Mapping[str, Clause]) -> str:
    """The XML document.

    A known failure and a SHOULD that failed are skipped, with the reason: JUnit has no word for
    either. A known failure that passes is a failure.
    """
    root = Xml.Element("testsuites", name=f"hwcore conformance: {report.plugin.name}")
    records = sorted(report.records, key=lambda r: list(TOPICS).index(r.clause[:3]))
    for topic, found in groupby(records, key=lambda record: TOPICS[record.clause[:3]]):
        group = list(found)
        suite = Xml.SubElement(root, "testsuite", name=topic, timestamp=_time(report))
        for record in group:
            _case(suite, report, record, clauses[record.clause])
        _count(suite, sum(record.seconds for record in group))
    _count(root, report.seconds)
    Xml.indent(root)
    return Xml.tostring(root, "unicode", xml_declaration=True) + "\n"


def _time(report: Report) -> str:
    return report.started.strftime("%Y-%m-%dT%H:%M:%S")


def _case(suite: Xml.Element, report: Report, record: Record, clause: Clause) -> None:
    case = Xml.SubElement(
        suite,
        "testcase",
        classname=f"hwcore.{report.plugin.name}.{record.capability or 'plugin'}",
        name=f"{named(record.clause, record.capability)}: {clause.text}",
        time=f"{record.seconds:.6f}",
    )
    entry, came = entry_of(report, record), fate_of(report, record)
    text = record.message + (f"\nhint: {record.hint}" if record.hint else "")
    if came is Fate.BROKEN:
        kind = "error" if record.state is State.ERROR else "failure"
        Xml.SubElement(case, kind, type=record.state, message=record.message).text = text
    elif came is Fate.STALE and entry is not None:
        message = f"it passes, and is listed as a known failure: {entry.reason}"
        Xml.SubElement(case, "failure", type="KNOWN_FAILURE", message=message).text = message
    elif record.state in BAD and entry is not None:
        message = f"known failure until {entry.expires}: {entry.reason}"
        Xml.SubElement(case, "skipped", message=message).text = text
    elif record.state in BAD:
        message = f"{record.level}, not kept: {record.message}"
        Xml.SubElement(case, "skipped", message=message).text = text
    elif record.state is not State.PASS:
        message = record.message or record.state.replace("_", " ").lower()
        Xml.SubElement(case, "skipped", message=message)


def _count(element: Xml.Element, seconds: float) -> None:
    """Write the totals of what is inside, as readers of the format expect them."""
    counts = {
        "tests": "testcase",
        "failures": "failure",
        "errors": "error",
        "skipped": "skipped",
    }
    for name, tag in counts.items():
        element.set(name, str(len(list(element.iter(tag)))))
    element.set("time", f"{seconds:.6f}")
