"""``hwcore conformance``, as a vendor calls it."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import reports
from command import Command

from hwcore_conformance.clauses import ALL
from hwcore_conformance.folder import FILES
from hwcore_conformance.states import State

LIGHT = ("MAN-001", "MAN-005", "MAN-008")
"""Clauses that need no model."""
ONLY = [word for clause in LIGHT for word in ("--clause", clause)]
BASELINE = """
schema_version = 1
plugin = "torch"
[[entries]]
clause = "MAN-001"
state = "{state}"
reason = "It is being mended."
expires = 2100-01-01
"""


@pytest.fixture
def hwcore(tmp_path: Path) -> Command:
    return Command(tmp_path / "cache", {"COLUMNS": "200"})


def conformance(hwcore: Command, *arguments: object) -> Any:
    return hwcore("conformance", *arguments)


def test_a_run_is_reported_and_verifies(hwcore: Command, tmp_path: Path) -> None:
    out = tmp_path / "report"
    done = conformance(hwcore, "run", "torch", *ONLY, "--seed", 7, "--out", out).check()
    assert "verdict: partial" in done.out
    assert f"narrowed by --clause {' --clause '.join(LIGHT)}" in done.out
    assert re.fullmatch(r"3/3 Manifest: 3 passed, \d+\.\d s\n", done.err)
    assert {path.name for path in out.iterdir()} == set(FILES) - {"attestation.intoto.json"}
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []
    report = json.loads((out / "report.json").read_text())
    assert [record["clause"] for record in report["records"]] == list(LIGHT)
    assert report["seed"] == 7
    assert report["plugin"]["editable"] is True
    verified = conformance(hwcore, "verify", out / "report.json", "--json").check().json()
    assert verified["verdict"] == "partial"
    assert "the report agrees with itself" in conformance(hwcore, "verify", out).out

    (out / "report.json").write_text(json.dumps(report | {"verdict": "pass"}))
    conformance(hwcore, "verify", out / "report.json").refused(3, "was edited", "run the suite")


def test_json_is_the_report_and_nothing_else(hwcore: Command) -> None:
    report = conformance(hwcore, "run", "torch", *ONLY, "--json").check().json()
    assert report["verdict"] == "partial"
    assert report["levels"]["export"] == "partial"


def test_the_module_is_the_same_program(hwcore: Command) -> None:
    module = replace(hwcore, program=(sys.executable, "-m", "hwcore_conformance"))
    assert module("list").check().out == conformance(hwcore, "list").out
    module("verify", "absent.json").refused(2, "there is no file absent.json")


def test_a_baseline_has_four_ways_to_end(hwcore: Command, tmp_path: Path) -> None:
    file = tmp_path / "baseline.toml"
    file.write_text(BASELINE.format(state="known-failure"))
    done = conformance(hwcore, "run", "torch", *ONLY, "--baseline", file)
    assert done.code == 3
    assert "MAN-001 PASS (listed as a known failure, and it passes: remove the entry)" in done.out
    file.write_text(BASELINE.format(state="disabled"))
    done = conformance(hwcore, "run", "torch", *ONLY, "--baseline", file, "--json").check()
    record = done.json()["records"][0]
    assert (record["state"], record["message"]) == ("DISABLED", "It is being mended.")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["trch"], ["no plugin 'trch', did you mean 'torch'?", "Installed: "]),
        (["torch", "--clause", "MAM"], ["no clause begins with 'MAM'", "conformance list"]),
        (["torch", "--clause", "RUN-01x"], ["did you mean 'RUN-01"]),
        (["torch", "--family", "brt"], ["architecture 'brt', did you mean 'bert'?"]),
        (["torch", "--certified", "--quick"], ["--certified is for a whole run", "--quick"]),
        (["torch", "--certified", "--clause", "RUN"], ["--clause RUN makes it less"]),
        (["torch", "--certified", "--family", "bert"], ["--family bert makes it less"]),
        (["torch", "--certified", "--baseline", "b"], ["--baseline makes it less"]),
        (["torch", "--certified", "--models", "m"], ["--certified makes its own models"]),
        (["torch", "--models", "/dev/null"], ["/dev/null is no folder", "--models"]),
        (["torch", "--certified"], ["core-plugin-torch is installed as editable"]),
        (["torch", "--wheel", "absent.whl"], ["there is no file absent.whl"]),
        (["torch", "--baseline", "absent.toml"], ["absent.toml cannot be read"]),
        (["torch", "--out", "/dev/null"], ["is a file", "--out"]),
        (["torch", "--seed", "-1"], ["--seed"]),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_bad_input_is_refused_before_anything_runs(
    hwcore: Command, arguments: list[str], words: list[str]
) -> None:
    conformance(hwcore, "run", *arguments).refused(2, *words)


def test_without_plugins_there_is_nothing_to_check(hwcore: Command) -> None:
    hwcore("--no-plugins", "conformance", "run", "torch").refused(2, "leaves nothing to check")


def test_list_names_checks_and_killers(hwcore: Command) -> None:
    rows = conformance(hwcore, "list", "--json").check().json()
    assert [row["id"] for row in rows] == [clause.id for clause in ALL]
    assert set(rows[0]) == {"id", "text", "level", "since", "scope", "checks", "killers"}
    assert rows[0]["checks"] == ["hwcore_conformance.clauses.manifest.has_a_manifest"]
    assert "man_001_no_plugin" in rows[0]["killers"]
    lines = conformance(hwcore, "list").out.splitlines()
    assert lines[0] == f"{ALL[0].id}  {ALL[0].text}"


def test_a_matrix_tells_what_it_rejects(hwcore: Command, tmp_path: Path) -> None:
    """The small contract of these tests is another suite's: its report is not to be judged."""
    reports.write(
        tmp_path / "reports" / "report.json", reports.report({"RUN-001 numpy": State.FAIL})
    )
    arguments = ("matrix", tmp_path / "reports", "--out", tmp_path / "matrix.html")
    done = conformance(hwcore, *arguments).check()
    assert ": 0 reports" in done.out
    assert "rejected: " in done.out
    assert "with other clauses than this one has" in (tmp_path / "matrix.html").read_text()
    rows = conformance(hwcore, *arguments, "--json").check().json()
    assert len(rows["rejected"]) == 1
    empty = tmp_path / "empty"
    conformance(hwcore, "matrix", empty, "--out", "m.html").refused(2, "no report.json below")


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["ctrl-c", "sigterm"]
)
def test_a_stop_leaves_no_report_and_no_process(
    hwcore: Command, tmp_path: Path, number: signal.Signals, code: int
) -> None:
    out = tmp_path / "out" / "report"
    process = hwcore.start("conformance", "run", "torch", "--family", "bert", "--out", out)
    try:
        assert process.stderr is not None
        for line in process.stderr:  # the process of the checks is there
            if " Manifest: " in line:
                break
        time.sleep(1.0)
        process.send_signal(number)
        _, err = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == code
    assert "stopped" in err
    assert not out.exists()
    assert hwcore.orphans() == []


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGHUP, 143)], ids=["ctrl-c", "hang-up"]
)
def test_stops_that_come_again_and_again_leave_nothing(
    hwcore: Command, tmp_path: Path, number: signal.Signals, code: int
) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    hwcore = replace(hwcore, environment={**hwcore.environment, "TMPDIR": str(temporary)})
    process = hwcore.start("conformance", "run", "torch", "--family", "bert")
    try:
        assert process.stderr is not None
        for line in process.stderr:  # the process of the checks is there
            if " Manifest: " in line:
                break
        assert list(temporary.iterdir())
        while process.poll() is None:
            process.send_signal(number)
            time.sleep(0.02)
        _, err = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == code, err
    assert list(temporary.iterdir()) == []
    assert hwcore.orphans() == []


@pytest.mark.parametrize("closed", ["<&-", ">&-", "<&- >&-", "<&- >&- 2>&-"])
def test_closed_standard_streams_do_no_harm(hwcore: Command, tmp_path: Path, closed: str) -> None:
    out = tmp_path / "report"
    command = [*hwcore.program, "conformance", "run", "torch", *ONLY, "--out", str(out)]
    subprocess.run(
        ["/bin/sh", "-c", f'exec "$@" {closed}', "sh", *command],
        env=hwcore.variables,
        check=True,
        timeout=120,
        capture_output=True,
    )
    report = json.loads((out / "report.json").read_text())
    assert {record["state"] for record in report["records"]} == {"PASS"}


def test_nothing_heavy_is_imported_to_read(tmp_path: Path) -> None:
    done = subprocess.run(
        [
            *(sys.executable, "-X", "importtime", "-m", "hwcore"),
            *("conformance", "--help"),
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    for module in ("torch", "transformers", "numpy", "hwcore_conformance.clauses"):
        assert f" {module}\n" not in done.stderr, module
