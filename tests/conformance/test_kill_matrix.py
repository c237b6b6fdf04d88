"""Every clause has a plugin that breaks it and nothing else; the reference plugin keeps all."""

from __future__ import annotations

import ast
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from pages import ROOT

from hwcore_conformance.clauses import ALL
from hwcore_conformance.states import BAD

HERE = Path(__file__).parent
REFERENCE = HERE / "reference" / "src"
ACME = ROOT / "core" / "src" / "hwcore" / "workflows" / "new_plugin" / "template" / "src"
SEED = 7
SLOW = {clause.id for clause in ALL if clause.slow}
"""Left out for plugins that are to break another clause: a quarter of the time."""
AT_ONCE = 3
"""They wait for processes as long as they compute."""
FAMILIES = ("bert", "roberta")
"""One that the reference plugin takes, and one that it refuses."""
NEEDED = "Metadata-Version: 2.1\nName: acme-hwcore\nVersion: 1.0.0\n"
METADATA = """\
Metadata-Version: 2.1
Name: acme-reference
Version: 1.0.0
Requires-Dist: acme-hwcore>=1
Requires-Dist: hwcore<1,>=0.1
Requires-Dist: numpy>=1.26
Provides-Extra: build
Requires-Dist: safetensors>=0.4.3; extra == "build"
"""
FILES = ("hwcore-plugin.toml", "options.schema.json", "recipes/reference-int8.yaml")

Records = list[dict[str, Any]]


class Bad(NamedTuple):
    """A plugin that is wrong in one way, as its module says."""

    file: Path
    kills: str
    says: str
    patches: dict[str, list[str]]
    """Text of a file of the reference plugin, or of its ``METADATA``, and what stands there."""
    stops: bool
    """True when what it breaks leaves other clauses without anything to be checked on."""
    families: tuple[str, ...]
    """Of the models that it is tried on."""


def read(file: Path) -> Bad:
    values = {
        node.targets[0].id: ast.literal_eval(node.value)
        for node in ast.parse(file.read_text("utf-8")).body
        if isinstance(node, ast.Assign)
        and isinstance(node.targets[0], ast.Name)
        and node.targets[0].id in ("KILLS", "SAYS", "PATCHES", "STOPS", "FAMILIES")
    }
    return Bad(
        file,
        values["KILLS"],
        values["SAYS"],
        values.get("PATCHES", {}),
        values.get("STOPS", False),
        values.get("FAMILIES", FAMILIES),
    )


PLUGINS = [read(file) for file in sorted((HERE / "bad_plugins").glob("*.py"))]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the reference plugin builds on, and the models of all runs, made by the first."""
    home = tmp_path_factory.mktemp("kill-matrix")
    shutil.copytree(ACME, home / "acme")
    info = home / "acme" / "acme_hwcore-1.0.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(NEEDED)
    return home


@pytest.fixture(scope="module")
def reference(home: Path) -> Records:
    """What comes of the reference plugin."""
    install(home / "reference", "acme_reference.plugin", METADATA)
    return check(home, home / "reference", (*FAMILIES, "gpt2", "minilm"))


@pytest.fixture(scope="module")
def topics(
    request: pytest.FixtureRequest, home: Path, reference: Records
) -> Iterator[dict[str, Future[Records]]]:
    """What the clauses of its topic find in each bad plugin whose test was chosen."""
    yield from checking(request, home / "topics", "topics")


@pytest.fixture(scope="module")
def matrix(
    request: pytest.FixtureRequest, home: Path, reference: Records
) -> Iterator[dict[str, Future[Records]]]:
    """What all clauses find in each bad plugin whose test was chosen."""
    yield from checking(request, home / "matrix", "matrix")


def checking(
    request: pytest.FixtureRequest, folder: Path, fixture: str
) -> Iterator[dict[str, Future[Records]]]:
    """Check the bad plugins of the tests that use a fixture, some at once."""
    chosen = {
        item.callspec.params["bad"].file.stem
        for item in request.session.items
        if item.module is request.module and fixture in getattr(item, "fixturenames", ())
    }
    with ThreadPoolExecutor(AT_ONCE) as pool:
        yield {
            bad.file.stem: pool.submit(check_bad, folder, bad, narrow=fixture == "topics")
            for bad in PLUGINS
            if bad.file.stem in chosen
        }
        pool.shutdown(cancel_futures=True)


def install(folder: Path, module: str, metadata: str) -> None:
    """What pip would leave of the wheel."""
    info = folder / "acme_reference-1.0.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(metadata)
    (info / "entry_points.txt").write_text(f"[hwcore.plugins]\nreference = {module}\n")


def check_bad(home: Path, bad: Bad, *, narrow: bool) -> Records:
    """The records of a bad plugin: of its clause's topic, or of all clauses."""
    folder = home / bad.file.stem
    package = folder / "acme_bad"
    (package / "recipes").mkdir(parents=True)
    texts = {name: (REFERENCE / "acme_reference" / name).read_text("utf-8") for name in FILES}
    texts["METADATA"] = METADATA
    for name, patches in bad.patches.items():
        for old, new in zip(patches[::2], patches[1::2], strict=True):
            assert old in texts[name], f"{bad.file.name}: {name} has no {old!r}"
            texts[name] = texts[name].replace(old, new)
    install(folder, "acme_bad.plugin", texts.pop("METADATA"))
    for name, text in texts.items():
        (package / name).write_text(text, "utf-8")
    (package / "__init__.py").touch()
    (package / "plugin.py").write_text(bad.file.read_text("utf-8"), "utf-8")
    options = [] if bad.kills in SLOW else ["--quick"]
    if narrow:
        options += ["--clause", bad.kills.partition("-")[0]]
    return check(home.parent, folder, bad.families, *options)


def check(home: Path, folder: Path, families: tuple[str, ...], *options: str) -> Records:
    """The records of a run of the suite on the plugin that is installed in ``folder``."""
    done = subprocess.run(
        [
            *(sys.executable, "-m", "hwcore_conformance", "run", "reference", "--json"),
            *("--models", str(home / "models"), "--seed", str(SEED)),
            *(word for family in families for word in ("--family", family)),
            *options,
        ],
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join(map(str, (folder, REFERENCE, home / "acme"))),
            "PYTHONDONTWRITEBYTECODE": "1",
            "HWCORE_PLUGINS": "reference",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode in (0, 3), done.stderr
    records: Records = json.loads(done.stdout)["records"]
    return records


def test_the_reference_plugin_keeps_every_clause(reference: Records) -> None:
    assert {record["state"] for record in reference} == {"PASS", "NOT_APPLICABLE"}
    passed = {record["clause"] for record in reference if record["state"] == "PASS"}
    assert passed == {clause.id for clause in ALL if clause.check is not None}


@pytest.mark.parametrize("bad", PLUGINS, ids=lambda bad: bad.file.stem)
def test_a_bad_plugin_breaks_its_clause_and_no_other_of_its_topic(
    bad: Bad, topics: dict[str, Future[Records]]
) -> None:
    breaks_its_clause_alone(bad, topics[bad.file.stem].result())


@pytest.mark.slow
@pytest.mark.parametrize("bad", PLUGINS, ids=lambda bad: bad.file.stem)
def test_a_bad_plugin_breaks_its_clause_and_no_other(
    bad: Bad, matrix: dict[str, Future[Records]]
) -> None:
    breaks_its_clause_alone(bad, matrix[bad.file.stem].result())


def breaks_its_clause_alone(bad: Bad, records: Records) -> None:
    """Of the clauses that were asked, the plugin fails one, with the words that it should."""
    broken = [record for record in records if record["state"] in BAD]
    failed = [record for record in broken if record["state"] == "FAIL"]
    short = [(r["clause"], r["capability"], r["state"], r["message"][:200]) for r in broken]
    assert {record["clause"] for record in failed} == {bad.kills}, short
    assert any(bad.says in record["message"] for record in failed), short
    assert all(record["hint"] for record in failed)
    if not bad.stops:
        assert broken == failed, short
    else:
        assert {record["state"] for record in broken} <= {"FAIL", "UNTESTABLE"}, short


def test_every_clause_has_a_killer() -> None:
    assert {bad.kills for bad in PLUGINS} == {c.id for c in ALL if c.check is not None}
