"""``docs/plugin-author.md``: its plugin is what the command writes, and works as it says."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pages
import pytest
from command import Command
from pages import DOCS, Block

from hwcore.workflows.new_plugin import new_plugin

PAGE = DOCS / "plugin-author.md"
TITLED = [block for block in pages.blocks(PAGE) if block.title]
STEP = next(n for n, block in enumerate(TITLED) if "at the end" in str(block.title))
"""Where the section on int8 begins; what it shows is not in the package that is written."""
SHOWN = {str(block.title): block.text for block in TITLED[:STEP]}
CHANGES = TITLED[STEP:]
UNSHOWN = {"LICENSE", "README.md", ".gitignore", "tests/test_plugin.py"}
UNSHOWN |= {".github/workflows/conformance.yml"}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the command at the top of the page writes."""
    return new_plugin("acme", tmp_path_factory.mktemp("tutorial") / "acme-hwcore").folder


@pytest.fixture(scope="module")
def site(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel installed in it, as pip does that."""
    return _installed(project, tmp_path_factory.mktemp("installed"))


@pytest.fixture(scope="module")
def hwcore(site: Path, tmp_path_factory: pytest.TempPathFactory) -> Command:
    """The command, with the plugin installed beside torch's."""
    variables = {"HWCORE_PLUGINS": "acme,torch"}
    return Command(tmp_path_factory.mktemp("cache"), variables, plugins=(site,))


@pytest.fixture(scope="module")
def with_int8(tmp_path_factory: pytest.TempPathFactory) -> Command:
    """The command with the package as the section on int8 leaves it."""
    root = tmp_path_factory.mktemp("int8")
    project = new_plugin("acme", root / "acme-hwcore").folder
    for block in CHANGES:
        _change(project, block)
    plugins = (_installed(project, root),)
    return Command(root / "cache", {"HWCORE_PLUGINS": "acme,torch"}, plugins=plugins)


@pytest.fixture(scope="module")
def exported(
    hwcore: Command, tiny: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A folder with the results under the names that the examples call them by."""
    folder = tmp_path_factory.mktemp("results")
    model = tiny("bert", "feature-extraction")
    out = folder / "acme-model"
    done = hwcore("export", model, "--plugin", "acme", "-o", "compressed=true", "--out", out)
    assert "equals its parent" in done.check().out
    (folder / "fast").symlink_to(out)
    return folder


@pytest.mark.parametrize("file", SHOWN)
def test_a_file_that_is_shown_is_what_the_command_writes(file: str, project: Path) -> None:
    assert SHOWN[file] == (project / file).read_text("utf-8")


def test_the_page_lists_every_file_and_shows_those_to_explain(project: Path) -> None:
    [tree] = [b.text for b in pages.blocks(PAGE) if b.text.startswith("acme-hwcore/\n")]
    written = {
        path.relative_to(project).as_posix() for path in project.rglob("*") if path.is_file()
    }
    assert set(_paths(tree)) == written
    assert written - SHOWN.keys() == UNSHOWN


def test_the_plugin_is_found_and_not_imported(hwcore: Command) -> None:
    listed = {plugin["name"]: plugin for plugin in hwcore("plugins", "list", "--json").json()}
    assert listed["acme"] == {
        "name": "acme",
        "distribution": "acme-hwcore",
        "version": "1.0.0",
        "state": "found",
        "reason": "",
        "hooks": ["export", "run"],
        "capabilities": ["npz", "numpy"],
    }


def test_the_export_computes_what_torch_computes(exported: Path) -> None:
    assert (exported / "acme-model" / "model.npz").is_file()


def test_a_misspelt_option_is_refused(
    hwcore: Command, tiny: Callable[..., Path], tmp_path: Path
) -> None:
    model = tiny("bert", "feature-extraction")
    out = tmp_path / "out"
    done = hwcore("export", model, "--plugin", "acme", "-o", "compresed=true", "--out", out)
    done.refused(2, "there is no option 'compresed', did you mean 'compressed'?")


def test_another_architecture_is_refused(
    hwcore: Command, tiny: Callable[..., Path], tmp_path: Path
) -> None:
    model = tiny("distilbert", "feature-extraction")
    done = hwcore("export", model, "--plugin", "acme", "--out", tmp_path / "out")
    done.refused(2, "whose model_type is 'bert', and this one's is 'distilbert'")


def test_the_step_that_is_added_keeps_the_clauses(with_int8: Command) -> None:
    topics = ("MAN-004", "MAN-006", "QNT", "ART-001", "ART-003", "ART-005", "RUN-001")
    chosen = [word for topic in topics for word in ("--clause", topic)]
    done = with_int8("conformance", "run", "acme", "--quick", "--family", "bert", *chosen, "--json")
    states = {
        (record["clause"], record["capability"]): record["state"]
        for record in done.check().json()["records"]
    }
    told = {clause: state for (clause, row), state in states.items() if row == "int8"}
    # It asks for no data, which QNT-003 and QNT-006 are about.
    assert told == {
        **dict.fromkeys(("QNT-001", "QNT-002", "QNT-004", "QNT-005"), "PASS"),
        **dict.fromkeys(("QNT-003", "QNT-006"), "NOT_APPLICABLE"),
        **dict.fromkeys(("ART-001", "ART-003", "ART-005"), "PASS"),
    }
    assert states["RUN-001", "numpy"] == "PASS"


def test_the_step_that_is_added_makes_a_smaller_file(
    with_int8: Command, tiny: Callable[..., Path], tmp_path: Path
) -> None:
    model, whole, small = tiny("bert", "feature-extraction"), tmp_path / "w", tmp_path / "s"
    with_int8("export", model, "--plugin", "acme", "--out", whole).check()
    with_int8("quantize", whole, "--plugin", "acme", "--out", small).check()
    written = [json.loads((out / "artifact.json").read_text("utf-8")) for out in (whole, small)]
    facts = [manifest["facts"] for manifest in written]
    assert facts[0]["parameters"] == facts[1]["parameters"]
    assert facts[1]["ops_quantized"] > 0
    stored = [sum(entry["size"] for entry in manifest["files"].values()) for manifest in written]
    assert stored[1] < stored[0]
    assert facts[1]["bits_per_weight"] * facts[1]["parameters"] / 8 < stored[1]  # no more than that


@pytest.mark.parametrize("page", ["plugin-author.md", "optimize.md"])
def test_the_python_examples_run(page: str, site: Path, exported: Path) -> None:
    examples = [b for b in pages.blocks(DOCS / page) if b.language == "python" and not b.title]
    assert examples
    for example in examples:
        printed = _python("-c", example.text, cwd=exported, site=site)
        assert "(1, " in printed  # the shape of one row


def _change(project: Path, block: Block) -> None:
    """Do what a titled block says: add to the end of a file, change its lines, or write it."""
    name, at_the_end, _ = str(block.title).partition(", at the end")
    file = project / name
    if at_the_end:
        file.write_text(file.read_text("utf-8") + block.text, "utf-8")
    elif block.language == "diff":
        lines = [(line[0], line[1:]) for line in block.text.splitlines(keepends=True)]
        before = "".join(text for mark, text in lines if mark in " -")
        after = "".join(text for mark, text in lines if mark in " +")
        text = file.read_text("utf-8")
        assert text.count(before) == 1, f"{name} has not these lines once:\n{before}"
        file.write_text(text.replace(before, after), "utf-8")
    else:
        assert not file.exists(), f"{name} is not new"
        file.write_text(block.text, "utf-8")


def _installed(project: Path, root: Path) -> Path:
    """The folder below ``root`` that a project's wheel was installed into."""
    dist, site = root / "dist", root / "site"
    _python("-m", "hatchling", "build", "-t", "wheel", "-d", dist, cwd=project)
    [wheel] = dist.glob("*.whl")
    quietly = ("--quiet", "--disable-pip-version-check", "--no-deps", "--no-index")
    _python("-m", "pip", "install", *quietly, "--target", site, wheel, cwd=root)
    return site


def _paths(tree: str) -> Iterator[str]:
    """The files of a tree that is drawn by indentation."""
    folders: list[str] = []
    for line in tree.splitlines():
        indent, name = re.match(r"( *)(\S+)", line).groups()  # type: ignore[union-attr]
        del folders[len(indent) // 2 :]
        if name.endswith("/"):
            folders.append(name)
        else:
            yield "".join((*folders[1:], name))


def _python(*arguments: object, cwd: Path, site: Path | None = None) -> str:
    environment = {**os.environ, **({"PYTHONPATH": str(site)} if site else {})}
    command = [sys.executable, *map(str, arguments)]
    done = subprocess.run(
        command, cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
