"""How far a run is, for whoever reads a log, and what it came to."""

from __future__ import annotations

import re
from collections.abc import Mapping

import pytest
import reports
from reports import CLAUSES, report

from hwcore_conformance.cli.progress import progress
from hwcore_conformance.cli.tables import show_report
from hwcore_conformance.states import State


def told(states: Mapping[str, State], capsys: pytest.CaptureFixture[str]) -> list[str]:
    """The lines of a run with these states, without their times."""
    of, records = {clause.id: clause for clause in CLAUSES}, reports.records(states)
    order = sorted(records, key=lambda record: record.capability)
    with progress(len(records)) as notify:
        for record in order:
            notify(of[record.clause], record.capability, None)
            notify(of[record.clause], record.capability, record.state)
    lines = capsys.readouterr().err.splitlines()
    return [re.sub(r", \d+\.\d s$", "", line) for line in lines]


def test_a_log_has_a_line_for_each_topic_and_capability(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert told({"RUN-002 gpu": State.NOT_APPLICABLE}, capsys) == [
        "2/12 Manifest: 2 passed",
        "3/12 Devices: 1 passed",
        "4/12 Quantize: 1 not declared",
        "7/12 gpu: 2 passed, 1 not applicable",
        "9/12 npz: 2 passed",
        "12/12 numpy: 3 passed",
    ]


def test_a_log_names_what_fails_and_counts_what_could_not_be_made(
    capsys: pytest.CaptureFixture[str],
) -> None:
    states = {
        "MAN-002": State.FAIL,
        "RUN-001 gpu": State.ERROR,
        "RUN-001 numpy": State.UNTESTABLE,
        "RUN-002 numpy": State.UNTESTABLE,
    }
    lines = told(states, capsys)
    assert "2/12 MAN-002 FAIL (SHOULD)" in lines
    assert [line for line in lines if "numpy" in line] == [
        "12/12 numpy: 1 passed, 2 could not be made"
    ]


def test_a_terminal_ends_with_what_fails(capsys: pytest.CaptureFixture[str]) -> None:
    states = {
        "EXP-001 npz": State.UNTESTABLE,
        "RUN-001 gpu": State.UNTESTABLE,
        "ART-001 npz": State.FAIL,
    }
    made = report(states)
    records = tuple(
        r.model_copy(update={"message": "it ended the process"})
        if r.state is State.UNTESTABLE
        else r
        for r in made.records
    )
    show_report(reports.sealed(made, records=records), CLAUSES, None)
    out = capsys.readouterr().out
    assert out.index("ART-001 npz FAIL") < out.index("2 checks of npz, gpu could not be made")
    assert out.count("it ended the process") == 1
    assert "broken: ART-001 npz; and 2 checks that could not be made" in out.splitlines()[-2]
    assert out.splitlines()[-1] == f"seed: {made.seed}"
