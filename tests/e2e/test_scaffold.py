"""From ``hwcore new-plugin`` to a certified wheel, in an environment that has only wheels."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from pages import ROOT

from bench.wheels import build, lend
from hwcore.workflows.new_plugin import new_plugin

SCRIPT = ROOT / "conformance" / "ci" / "conformance.sh"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return new_plugin("nova", tmp_path / "nova", vendor="Nova Labs").folder


def test_the_files_are_these(project: Path) -> None:
    found = {path.relative_to(project).as_posix() for path in project.rglob("*") if path.is_file()}
    assert found == {
        ".github/workflows/conformance.yml",
        ".gitignore",
        "LICENSE",
        "README.md",
        "pyproject.toml",
        "src/nova_hwcore/__init__.py",
        "src/nova_hwcore/engine.py",
        "src/nova_hwcore/hwcore-plugin.toml",
        "src/nova_hwcore/options.schema.json",
        "src/nova_hwcore/plugin.py",
        "src/nova_hwcore/recipes/nova-numpy.yaml",
        "tests/test_plugin.py",
    }


def test_the_wheel_holds_the_package_and_its_licence(project: Path, tmp_path: Path) -> None:
    wheel = build(project, tmp_path / "dist")
    assert wheel.name == "nova_hwcore-1.0.0-py3-none-any.whl"
    source = project / "src"
    package = {p.relative_to(source).as_posix() for p in source.rglob("*") if p.is_file()}
    with zipfile.ZipFile(wheel) as archive:
        inside = {name for name in archive.namelist() if ".dist-info/" not in name}
        licence = archive.read("nova_hwcore-1.0.0.dist-info/licenses/LICENSE")
    assert inside == package
    assert licence == (ROOT / "LICENSE").read_bytes()


def test_it_is_certified_by_the_steps_of_a_partners_ci(project: Path, tmp_path: Path) -> None:
    """The very script, on wheels of this repository, without a registry."""
    wheels = tmp_path / "wheels"
    build(ROOT / "core", wheels)
    build(ROOT / "conformance", wheels)
    lend(project / "build" / "venv")
    done = subprocess.run(
        [SCRIPT, "nova", project],
        env={
            **{name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
            "HWCORE_CACHE": str(tmp_path / "cache"),
            "PYTHON": sys.executable,
            "PIP_FIND_LINKS": str(wheels),
            "PIP_NO_INDEX": "1",
            # What builds the wheel is lent, too. pip reads the variable as the option's value.
            "PIP_NO_BUILD_ISOLATION": "0",
        },
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"=== \d+ passed", done.stdout), "the generated tests did not run"
    report = json.loads((project / "report" / "report.json").read_text("utf-8"))
    assert (report["verdict"], report["certified"]) == ("pass", True)
    kept = {name for name, level in report["levels"].items() if level == "kept"}
    assert kept == {"core", "export", "run"}
    [wheel] = (project / "dist").glob("*.whl")
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    assert report["plugin"]["wheel"] == {"name": wheel.name, "sha256": digest}
    where = subprocess.run(
        [project / "build" / "venv" / "bin" / "python", "-c", "import hwcore; print(hwcore)"],
        capture_output=True,
        text=True,
        check=True,
        cwd="/",
    )
    assert str(project) in where.stdout, "it ran the repository's code"
