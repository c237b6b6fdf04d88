"""Many reports as one page."""

from __future__ import annotations

import datetime
import json
import re
from pathlib import Path
from typing import Any

import pytest
from reports import CLAUSES, report, sealed, write

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


def test_a_run_that_was_narrowed_says_so_in_its_cells(tmp_path: Path) -> None:
    quick = Filters(quick=True)
    write(tmp_path / "1" / "report.json", report(BROKEN, filters=quick))
    text = page(tmp_path)
    assert text.count('<span class="state half">partial: --quick</span>') == 3
    assert '<span class="state bad">broken</span> <span class="soft small">--quick</span>' in text


def test_only_checks_that_had_something_to_check_are_counted(tmp_path: Path) -> None:
    states = {"RUN-002 numpy": State.NOT_APPLICABLE, "RUN-003 numpy": State.UNTESTABLE}
    write(tmp_path / "1" / "report.json", report(states))
    text = page(tmp_path)
    assert "1 of 2 checks passed, 1 had nothing to check" in text
    assert "2 of 2 checks passed<" in text


def test_a_cell_begins_with_what_fails_and_says_the_same_once(tmp_path: Path) -> None:
    states = {"RUN-001 numpy": State.UNTESTABLE, "RUN-002 numpy": State.UNTESTABLE}
    made = report({**states, "RUN-003 numpy": State.UNTESTABLE, "ART-001 npz": State.FAIL})
    records = tuple(
        r.model_copy(update={"message": "gone"}) if r.state is State.UNTESTABLE else r
        for r in made.records
    )
    write(tmp_path / "report.json", sealed(made, records=records))
    text = page(tmp_path)
    assert "<li>2 checks could not be made: gone</li><li>RUN-003, MAY not kept: gone</li>" in text
    assert "0 of 3 checks passed<" in text


def test_capabilities_and_machines_are_told_in_words(tmp_path: Path) -> None:
    target = report().machine.target.model_copy(
        update={"features": ("avx2", "avx512f", "avx512_vnni", "vnni")}
    )
    machine = report().machine.model_copy(
        update={"target": target, "fingerprint": target.fingerprint}
    )
    write(tmp_path / "1" / "report.json", report(machine=machine))
    text = page(tmp_path)
    assert "The graph, as <code>.npz</code> files." in text
    assert "Acme 1, avx512_vnni, 2 cores" in text
    assert text.index("Acme 1, avx512_vnni") < text.index(f"target {target.fingerprint}")


def test_the_newest_version_comes_first_whenever_it_ran(tmp_path: Path) -> None:
    for day, version in ((1, "0.10.0"), (9, "0.9.0"), (5, "no version")):
        write(tmp_path / version / "report.json", of("acme", version, day))
    assert columns(page(tmp_path)) == ["0.10.0", "0.9.0", "no version"]


def test_a_page_beside_the_report_is_linked(tmp_path: Path) -> None:
    path = write(tmp_path / "one report" / "report.json", of("acme", "1.0", 1))
    assert "href" not in page(tmp_path)
    path.with_name("report.html").write_text("")
    assert 'href="one%20report/report.html"' in page(tmp_path)


def test_a_folder_without_reports_is_refused(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "absent"):
        with pytest.raises(UserError, match=re.escape("there is no report.json below")):
            find(folder, CLAUSES)
