"""The plugin of ``docs/plugin-author.md``, taken from the page, works as the page says."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pages
import pytest
from command import Command
from pages import DOCS

PAGE = DOCS / "plugin-author.md"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel installed in it, as pip does that."""
    root = tmp_path_factory.mktemp("tutorial")
    project, dist, site = root / "acme", root / "dist", root / "site"
    for block in pages.blocks(PAGE):
        if block.title:
            path = project / block.title
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.text, "utf-8")
    _python("-m", "hatchling", "build", "-t", "wheel", "-d", dist, cwd=project)
    [wheel] = dist.glob("*.whl")
    quietly = ("--quiet", "--disable-pip-version-check", "--no-deps", "--no-index")
    _python("-m", "pip", "install", *quietly, "--target", site, wheel, cwd=root)
    return site


@pytest.fixture(scope="module")
def hwcore(site: Path, tmp_path_factory: pytest.TempPathFactory) -> Command:
    """The command, with the plugin installed beside torch's."""
    variables = {"HWCORE_PLUGINS": "acme,torch"}
    return Command(tmp_path_factory.mktemp("cache"), variables, plugins=(site,))


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


def test_the_page_holds_the_files_it_lists() -> None:
    [tree] = [b.text for b in pages.blocks(PAGE) if b.language == "text" and "pyproject" in b.text]
    titles = [block.title for block in pages.blocks(PAGE) if block.title]
    assert {Path(title).name for title in titles} == {
        Path(line.split()[0]).name for line in tree.splitlines() if "." in line.split()[0]
    }


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
    done.refused(2, "acme runs BERT with GELU, and this is distilbert")


@pytest.mark.parametrize("page", ["plugin-author.md", "optimize.md"])
def test_the_python_examples_run(page: str, site: Path, exported: Path) -> None:
    examples = [b for b in pages.blocks(DOCS / page) if b.language == "python" and not b.title]
    assert examples
    for example in examples:
        printed = _python("-c", example.text, cwd=exported, site=site)
        assert "(1, " in printed  # the shape of one row


def _python(*arguments: object, cwd: Path, site: Path | None = None) -> str:
    environment = {**os.environ, **({"PYTHONPATH": str(site)} if site else {})}
    command = [sys.executable, *map(str, arguments)]
    done = subprocess.run(
        command, cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
