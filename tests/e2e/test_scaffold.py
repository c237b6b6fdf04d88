"""From ``hwcore new-plugin`` to a certified wheel, in an environment that has only wheels."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shlex
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from pages import DOCS, ROOT, commands

from bench.wheels import build, lend
from hwcore.workflows.new_plugin import new_plugin

SCRIPT = ROOT / "conformance" / "ci" / "conformance.sh"
OFFLINE = {
    **{name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
    "PIP_NO_INDEX": "1",
    # What builds a wheel is lent, too. pip reads the variable as the option's value.
    "PIP_NO_BUILD_ISOLATION": "0",
    "PIP_DISABLE_PIP_VERSION_CHECK": "1",
}
"""A place without a registry, for pip."""


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


def test_it_is_installed_beside_a_clone_as_the_page_says(tmp_path: Path) -> None:
    project = new_plugin("acme", tmp_path / "acme-hwcore").folder
    env = tmp_path / "env"
    bins = lend(env)
    shown = [line for line in commands(DOCS / "plugin-author.md", "pip") if "CLONE/plugins" in line]
    shown += [line for line in new_plugin("acme", tmp_path / "b").next_steps if "pip" in line]
    assert len(shown) == 2
    for command in shown:
        _pip(command, env, project)
    listed = subprocess.run(
        [bins / "hwcore", "plugins", "list", "--json"],
        env={**OFFLINE, "HWCORE_CACHE": str(tmp_path / "cache")},
        capture_output=True,
        text=True,
        check=True,
    )
    found = {plugin["name"]: plugin["state"] for plugin in json.loads(listed.stdout)}
    assert found == {"acme": "found", "torch": "found"}
    subprocess.run([bins / "hwcore", "conformance", "list"], env=OFFLINE, check=True)


@pytest.mark.slow
def test_it_is_certified_by_the_steps_of_a_partners_ci(project: Path, tmp_path: Path) -> None:
    """The very script, on wheels that are made as its header says, without a registry."""
    header = SCRIPT.read_text("utf-8").partition("\nset -")[0]
    [wheel, _] = re.findall(r"^#   ((?:pip|PIP).*)$", header, re.MULTILINE)
    _pip(wheel.replace("FOLDER", str(project)), Path(sys.prefix), tmp_path)
    lend(project / "build" / "venv")
    done = subprocess.run(
        [SCRIPT, "nova", project],
        env={
            **OFFLINE,
            "HWCORE_CACHE": str(tmp_path / "cache"),
            "PYTHON": sys.executable,
            "PIP_FIND_LINKS": "wheels",
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


def _pip(command: str, env: Path, folder: Path) -> None:
    """A command that is shown, on this clone and in that environment."""
    program, *arguments = shlex.split(command.replace("CLONE", str(ROOT)))
    assert program == "pip"
    subprocess.run(
        [sys.executable, "-m", "pip", "--python", env, *arguments],
        cwd=folder,
        env=OFFLINE,
        capture_output=True,
        check=True,
    )
