"""Every clause has a plugin that breaks it and nothing else; the plugin of the docs keeps all."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pages
import pytest

from hwcore_conformance.clauses import ALL
from hwcore_conformance.states import BAD

HERE = Path(__file__).parent
SEED = 7
METADATA = """\
Metadata-Version: 2.1
Name: acme-hwcore
Version: 1.0.0
Requires-Dist: numpy>=1.26
Provides-Extra: build
Requires-Dist: torch>=2.11; extra == "build"
"""


class Bad(NamedTuple):
    """A plugin that is wrong in one way, as its module says."""

    file: Path
    kills: str
    says: str
    patches: dict[str, list[str]]
    stops: bool
    """True when what it breaks leaves other clauses without anything to be checked on."""


def read(file: Path) -> Bad:
    values = {
        node.targets[0].id: ast.literal_eval(node.value)
        for node in ast.parse(file.read_text("utf-8")).body
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
    }
    return Bad(
        file,
        values["KILLS"],
        values["SAYS"],
        values.get("PATCHES", {}),
        values.get("STOPS", False),
    )


PLUGINS = [read(file) for file in sorted((HERE / "bad_plugins").glob("*.py"))]


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package of docs/plugin-author.md, importable but not installed."""
    root = tmp_path_factory.mktemp("reference")
    for block in pages.blocks(pages.DOCS / "plugin-author.md"):
        if block.title and block.title.startswith("src/"):
            path = root / block.title.removeprefix("src/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.text, "utf-8")
    return root


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The models of all runs, made by the first."""
    return tmp_path_factory.mktemp("models")


def install(folder: Path, module: str) -> None:
    """What pip would leave of the wheel."""
    info = folder / "acme_hwcore-1.0.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(METADATA)
    (info / "entry_points.txt").write_text(f"[hwcore.plugins]\nacme = {module}\n")


def check(models: Path, *paths: Path) -> list[dict[str, Any]]:
    """The records of a run of the suite on the plugin ``acme`` in these folders."""
    done = subprocess.run(
        [
            *(sys.executable, "-m", "hwcore_conformance", "run", "acme", "--json"),
            *("--models", str(models), "--seed", str(SEED), "--family", "bert"),
        ],
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join(map(str, paths)),
            "HWCORE_PLUGINS": "acme",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode in (0, 3), done.stderr
    records: list[dict[str, Any]] = json.loads(done.stdout)["records"]
    return records


def test_the_plugin_of_the_docs_keeps_every_clause(
    reference: Path, models: Path, tmp_path: Path
) -> None:
    install(tmp_path, "acme_hwcore.plugin")
    records = check(models, tmp_path, reference)
    assert {record["state"] for record in records} == {"PASS"}
    assert {record["clause"] for record in records} == {clause.id for clause in ALL}


@pytest.mark.parametrize("bad", PLUGINS, ids=lambda bad: bad.file.stem)
def test_a_bad_plugin_breaks_its_clause_and_no_other(
    bad: Bad, reference: Path, models: Path, tmp_path: Path
) -> None:
    package = tmp_path / "acme_bad"
    (package / "recipes").mkdir(parents=True)
    for name in ("hwcore-plugin.toml", "options.schema.json", "recipes/acme-numpy.yaml"):
        text = (reference / "acme_hwcore" / name).read_text("utf-8")
        patches = bad.patches.get(name, [])
        for old, new in zip(patches[::2], patches[1::2], strict=True):
            assert old in text
            text = text.replace(old, new)
        (package / name).write_text(text, "utf-8")
    (package / "__init__.py").touch()
    (package / "plugin.py").write_text(bad.file.read_text("utf-8"), "utf-8")
    install(tmp_path, "acme_bad.plugin")

    records = check(models, tmp_path, reference)
    broken = [record for record in records if record["state"] in BAD]
    failed = [record for record in broken if record["state"] == "FAIL"]
    assert [record["clause"] for record in failed] == [bad.kills], broken
    assert bad.says in failed[0]["message"]
    assert failed[0]["hint"]
    if not bad.stops:
        assert broken == failed
    else:
        assert {record["state"] for record in broken} <= {"FAIL", "UNTESTABLE"}


def test_every_clause_has_a_killer() -> None:
    assert {bad.kills for bad in PLUGINS} == {clause.id for clause in ALL}
