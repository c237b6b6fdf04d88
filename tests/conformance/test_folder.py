"""The folder of a report: whole, or as it was."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from hwcore.contract import UserError
from hwcore_conformance.folder import check_folder, write_file, write_folder

REPORT = '{"schema_version": 1, "records": []}'
GOOD = {"report.json": REPORT, "badge.svg": "<svg/>"}


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def content(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.iterdir()}


def test_it_is_made_with_its_parents(tmp_path: Path) -> None:
    write_folder(tmp_path / "a" / "b", GOOD)
    assert content(tmp_path / "a" / "b") == GOOD
    assert names(tmp_path / "a") == ["b"]


def test_an_empty_folder_is_filled_and_an_earlier_report_replaced(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    write_folder(tmp_path / "out", {**GOOD, "junit.xml": "<x/>"})
    write_folder(tmp_path / "out", GOOD)
    assert content(tmp_path / "out") == GOOD
    assert names(tmp_path) == ["out"]


@pytest.mark.parametrize(
    "there",
    [
        {"notes.txt": "mine"},
        {**GOOD, "notes.txt": "mine"},
        {"report.json": "{}"},
        {"badge.svg": ""},
    ],
    ids=["other", "report and other", "another report", "a form without its report"],
)
def test_anything_else_is_left_alone(tmp_path: Path, there: dict[str, str]) -> None:
    out = tmp_path / "out"
    out.mkdir()
    for name, text in there.items():
        (out / name).write_text(text)
    for attempt in (lambda: check_folder(out), lambda: write_folder(out, GOOD)):
        with pytest.raises(UserError, match="holds something that is no report"):
            attempt()
    assert content(out) == there


def test_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("")
    with pytest.raises(UserError, match="is a file"):
        check_folder(tmp_path / "out")
    with pytest.raises(UserError, match="cannot be written"):
        check_folder(tmp_path / "out" / "inside")


def test_a_page_is_written_whole_or_not(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    write_file(page, "one")
    write_file(page, "two")
    assert page.read_text() == "two"
    assert names(tmp_path) == ["page.html"]
    with pytest.raises(UserError, match="is a folder"):
        write_file(tmp_path, "three")
    with pytest.raises(UserError, match="cannot be written"):
        write_file(tmp_path / "absent" / "page.html", "three")


def test_a_kill_at_any_moment_leaves_one_of_the_two(tmp_path: Path) -> None:
    """Rewritten without end and killed: what is there then is a whole report."""
    code = (
        "import sys, pathlib; from hwcore_conformance.folder import write_folder\n"
        "out, n = pathlib.Path(sys.argv[1]), 0\n"
        "while True:\n"
        "    n += 1\n"
        "    text = '{\"schema_version\": 1, \"records\": [' + '0,' * 5000 + str(n) + ']}'\n"
        "    write_folder(out, {'report.json': text, 'badge.svg': str(n)})\n"
        "    print(flush=True)\n"
    )
    out = tmp_path / "out"
    for wait in (0.0, 0.003, 0.01):
        process = subprocess.Popen(
            [sys.executable, "-c", code, str(out)], stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(wait)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        if out.exists():
            report, badge = content(out)["report.json"], content(out)["badge.svg"]
            assert report.endswith(f",{badge}]}}")
