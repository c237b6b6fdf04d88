"""Many reports as one page."""

from __future__ import annotations

import datetime
import json
import re
from pathlib import Path
from typing import Any

import pytest
from reports import CLAUSES, report, write

from hwcore.contract import UserError
from hwcore_conformance.matrix import as_matrix, find, standings
from hwcore_conformance.required import Filters
from hwcore_conformance.states import State
from hwcore_conformance.verdict import Standing

BROKEN = {"RUN-001 numpy": State.FAIL}


def of(name: str, version: str, day: int, states: dict[str, State] | None = None) -> Any:
    plugin = report().plugin.model_copy(update={"name": name, "version": version})
    started = datetime.datetime(2026, 5, day, tzinfo=datetime.UTC)
    return report(states, plugin=plugin, started=started)


def page(root: Path) -> str:
    return as_matrix(find(root, CLAUSES), root=root, out=root / "matrix.html")


def columns(text: str) -> list[str]:
    return re.findall(r"<th>(?:<a [^>]*>)?<b>([^<]+)</b>", text)


def test_plugins_versions_and_capabilities_are_there_the_newest_first(tmp_path: Path) -> None:
    write(tmp_path / "1" / "report.json", of("acme", "1.0", 1, BROKEN))
    write(tmp_path / "2" / "report.json", of("acme", "2.0", 9))
    write(tmp_path / "3" / "deep" / "report.json", of("zeta", "0.1", 5))
    text = page(tmp_path)
    assert re.findall(r"<h2>(\w+)</h2>", text) == ["acme", "zeta"]
    assert columns(text) == ["2.0", "1.0", "0.1"]
    assert text.count('<span class="id">numpy</span>') == 2
    assert "RUN-001, broken: RUN-001 is not so" in text


def test_of_one_version_on_one_target_the_newest_counts(tmp_path: Path) -> None:
    write(tmp_path / "1" / "report.json", of("acme", "1.0", 9))
    write(tmp_path / "2" / "report.json", of("acme", "1.0", 1, BROKEN))
    text = page(tmp_path)
    assert columns(text) == ["1.0"]
    assert "1 earlier run" in text
    assert "RUN-001, broken" not in text


def test_a_report_that_does_not_verify_is_told_with_the_reason(tmp_path: Path) -> None:
    write(tmp_path / "good" / "report.json", of("acme", "1.0", 1))
    content = json.loads(of("zeta", "1.0", 1, BROKEN).model_dump_json()) | {"verdict": "pass"}
    edited = tmp_path / "bad & <worse>" / "report.json"
    edited.parent.mkdir()
    edited.write_text(json.dumps(content))
    text = page(tmp_path)
    assert "1 report rejected" in text
    assert "bad &amp; &lt;worse&gt;/report.json: it was edited: its digest does not match" in text
    assert "zeta" not in text
    assert str(tmp_path) not in text


def test_a_version_without_a_row_does_not_declare_it(tmp_path: Path) -> None:
    write(tmp_path / "1" / "report.json", of("acme", "1.0", 1))
    target = report().machine.target.model_copy(update={"features": ("neon",)})
    machine = report().machine.model_copy(
        update={"target": target, "fingerprint": target.fingerprint}
    )
    write(tmp_path / "2" / "report.json", report(machine=machine))
    found = find(tmp_path, CLAUSES)
    assert len(found.runs) == 2
    assert len(columns(page(tmp_path))) == 2


def test_how_each_capability_stands() -> None:
    absent = {f"RUN-00{n} gpu": State.NOT_RUN_ON_HARDWARE for n in (1, 2, 3)}
    assert standings(report({**BROKEN, **absent}), CLAUSES) == {
        "": Standing.KEPT,
        "npz": Standing.KEPT,
        "numpy": Standing.BROKEN,
        "gpu": Standing.NOT_RUN_ON_HARDWARE,
    }
    assert set(standings(report(filters=Filters(quick=True)), CLAUSES).values()) == {
        Standing.PARTIAL
    }


def test_a_page_beside_the_report_is_linked(tmp_path: Path) -> None:
    path = write(tmp_path / "one report" / "report.json", of("acme", "1.0", 1))
    assert "href" not in page(tmp_path)
    path.with_name("report.html").write_text("")
    assert 'href="one%20report/report.html"' in page(tmp_path)


def test_a_folder_without_reports_is_refused(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "absent"):
        with pytest.raises(UserError, match=re.escape("there is no report.json below")):
            find(folder, CLAUSES)
