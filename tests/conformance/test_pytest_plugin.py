"""The suite under pytest, as a vendor's engineer starts it."""

from __future__ import annotations

import os
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import NamedTuple

import pytest

import hwcore_conformance
from hwcore.host.manifest_file import read_manifest
from hwcore.workflows.new_plugin import new_plugin
from hwcore_conformance.clauses import ALL
from hwcore_conformance.required import Row, required

SUITE = ("--pyargs", "hwcore_conformance")
ACME = (*SUITE, "--hwcore-plugin", "acme")


class Ran(NamedTuple):
    """A run of pytest that ended."""

    code: int
    out: str
    err: str
    results: dict[str, ElementTree.Element]
    """The ``testcase`` of JUnit XML, by the item's name."""

    def outcome(self, name: str) -> str:
        return next((part.tag for part in self.results[name] if part.tag != "properties"), "passed")

    def text(self, name: str) -> str:
        [part] = [part for part in self.results[name] if part.tag != "properties"]
        return f"{part.get('message')}\n{part.text}"


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A folder that is as good as site-packages, with a new plugin in it."""
    folder = new_plugin("acme", tmp_path / "acme").folder / "src"
    info = folder / "acme_hwcore-1.0.0.dist-info"
    info.mkdir()
    (info / "entry_points.txt").write_text("[hwcore.plugins]\nacme = acme_hwcore.plugin\n")
    (info / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: acme-hwcore\nVersion: 1.0.0\n"
        'Requires-Dist: numpy\nProvides-Extra: build\nRequires-Dist: numpy; extra == "build"\n'
    )
    return folder


def run(site: Path, *arguments: str) -> Ran:
    """pytest, in an empty folder beside the plugin."""
    where = site.parent / "empty"
    where.mkdir(exist_ok=True)
    found = where / "found.xml"
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--junitxml", found, *arguments],
        cwd=where,
        env={**os.environ, "PYTHONPATH": str(site), "HWCORE_PLUGINS": "acme", "COLUMNS": "300"},
        capture_output=True,
        text=True,
        check=False,
    )
    cases = ElementTree.parse(found).iter("testcase") if found.exists() else ()  # noqa: S314 - ours
    return Ran(done.returncode, done.stdout, done.stderr, {str(c.get("name")): c for c in cases})


def collected(site: Path, *arguments: str) -> set[str]:
    """Names of the tests that there are."""
    done = run(site, *ACME, *arguments, "--collect-only", "-q")
    return {line.partition("::")[2] for line in done.out.splitlines() if "::" in line}


def clauses(*numbers: str) -> list[str]:
    return [word for number in numbers for word in ("--hwcore-clause", number)]


def test_every_clause_and_capability_is_a_test(site: Path) -> None:
    manifest, _ = read_manifest(site / "acme_hwcore" / "hwcore-plugin.toml")
    rows = [Row(id=row.id, hook=row.hook) for row in manifest.capabilities]
    wanted = {
        f"{each.clause}[{each.capability}]" if each.capability else each.clause
        for each in required(ALL, rows)
    }
    assert collected(site) == wanted
    assert {"MAN-001", "EXP-001[npz]", "RUN-004[numpy]", "QNT-001"} <= wanted
    assert collected(site, "--hwcore-quick") < wanted


def test_what_is_kept_passes_and_what_is_not_declared_is_skipped(site: Path) -> None:
    chosen = clauses("MAN-001", "DEV-001", "RUN-001", "RUN-002", "QNT-001")
    done = run(site, *ACME, *chosen, "--hwcore-family", "bert", "--hwcore-seed", "7")
    assert done.code == 0, done.out
    assert "hwcore conformance: plugin acme, seed 7" in done.out
    assert {name: done.outcome(name) for name in done.results} == {
        "MAN-001": "passed",
        "DEV-001": "skipped",
        "RUN-001[numpy]": "passed",
        "RUN-002[numpy]": "passed",
        "QNT-001": "skipped",
    }
    assert "NOT_DECLARED: the manifest has no devices" in done.text("DEV-001")
    assert "NOT_DECLARED: the manifest has no quantize" in done.text("QNT-001")
    properties = done.results["RUN-001[numpy]"].iter("property")
    assert ("state", "PASS") in {(p.get("name"), p.get("value")) for p in properties}


def test_a_must_that_is_broken_fails_in_words_and_a_should_is_told(site: Path) -> None:
    package = site / "acme_hwcore"
    recipe = package / "recipes" / "acme-numpy.yaml"
    recipe.write_text(recipe.read_text().replace("capability: npz", "capability: npy"))
    manifest = package / "hwcore-plugin.toml"
    manifest.write_text(manifest.read_text().replace('numpy = "BSD-3-Clause"', ""))
    done = run(site, *ACME, *clauses("MAN-005", "MAN-006", "MAN-008"), "-ra")
    assert done.code == 1
    assert "1 failed, 1 passed, 1 xfailed" in done.out
    assert done.outcome("MAN-006") == "failure"
    assert "FAIL: recipe acme-numpy has a step export npy\nhint: Compare" in done.out
    assert "MAN-006: A plugin's recipes MUST be readable" in done.out
    assert "hwcore_conformance::MAN-008 - FAIL: no licence is given for numpy" in done.out
    assert "Traceback" not in done.out
    assert "pytest_plugin.py" not in done.out


def test_tests_are_chosen_as_any_others(site: Path) -> None:
    done = run(site, *ACME, "-k", "MAN-005 or MAN-006")
    assert done.code == 0, done.out
    assert list(done.results) == ["MAN-005", "MAN-006"]


def test_its_own_tests_may_run_beside(site: Path) -> None:
    own = site.parent / "empty" / "test_own.py"
    own.parent.mkdir()
    own.write_text("def test_own(): pass\n")
    done = run(site, *ACME, *clauses("MAN-005"), "test_own.py")
    assert done.code == 0, done.out
    assert set(done.results) == {"MAN-005", "test_own"}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (SUITE, "hwcore_conformance checks a plugin: say which with --hwcore-plugin NAME"),
        ((*SUITE, "--hwcore-plugin", "acmee"), "there is no plugin 'acmee', did you mean 'acme'?"),
        ((*ACME, "--hwcore-clause", "NO-1"), "no clause begins with 'NO-1'"),
        ((*ACME, "--hwcore-family", "bort"), "'bort', did you mean 'bert'?"),
        ((*ACME, "--hwcore-seed", "-1"), "--hwcore-seed is a whole number, 0 or more"),
    ],
    ids=["no plugin", "unknown plugin", "unknown clause", "unknown family", "bad seed"],
)
def test_a_mistake_of_usage_is_told_as_one(
    arguments: tuple[str, ...], said: str, site: Path
) -> None:
    done = run(site, *arguments)
    assert done.code == pytest.ExitCode.USAGE_ERROR
    assert done.err.startswith("ERROR: ")
    assert said in done.err
    assert "Traceback" not in done.err


def test_other_runs_are_left_alone(site: Path) -> None:
    own = site.parent / "empty" / "test_own.py"
    own.parent.mkdir()
    own.write_text(
        "import sys\n"
        "def test_own(): assert not {'hwcore', 'pydantic', 'numpy'} & set(sys.modules)\n"
    )
    done = run(site, "test_own.py")
    assert done.code == 0, done.out
    assert "conformance:" not in done.out
    assert set(done.results) == {"test_own"}
    package = Path(str(hwcore_conformance.__file__)).parent
    assert run(site, str(package)).code == pytest.ExitCode.NO_TESTS_COLLECTED
