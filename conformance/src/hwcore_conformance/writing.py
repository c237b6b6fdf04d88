"""Everything that a run leaves behind, put into one folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from hwcore_conformance.attestation import as_statement
from hwcore_conformance.badge import as_badge
from hwcore_conformance.clause import Clause
from hwcore_conformance.folder import PAGE, REPORT, write_folder
from hwcore_conformance.html import as_page
from hwcore_conformance.junit import as_junit
from hwcore_conformance.markdown import as_markdown
from hwcore_conformance.report import Report, as_text


def write_report(out: Path, report: Report, clauses: Sequence[Clause]) -> None:
    """Write the report in every form, whole or not at all. Raises `UserError`."""
    text, of = as_text(report), {clause.id: clause for clause in clauses}
    files = {
        REPORT: text,
        PAGE: as_page(report, of),
        "junit.xml": as_junit(report, of),
        "summary.md": as_markdown(report, of),
        "badge.svg": as_badge(report),
    }
    statement = as_statement(report, text)
    if statement is not None:
        files["attestation.intoto.json"] = statement
    write_folder(out, files)
