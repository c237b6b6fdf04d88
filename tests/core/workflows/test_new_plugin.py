"""The package of a new plugin."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
import yaml
from dummies.making import write_plugin
from pages import ROOT

from hwcore.contract import UserError
from hwcore.host.manifest_file import read_manifest
from hwcore.pipeline import read_recipe
from hwcore.workflows import new_plugin as module
from hwcore.workflows.new_plugin import FILES, new_plugin
from hwcore.workflows.new_plugin.naming import names_of

AWKWARD = ("x", "a.b", "x_y-z", "v8", "n" * 58)
"""Names that are right, and could be taken for something else somewhere."""


def contents(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): path.read_text("utf-8")
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_the_template_is_the_files_that_are_listed() -> None:
    folder = Path(module.__file__).parent / "template"
    assert {name for name in contents(folder) if "__pycache__" not in name} == set(FILES)


def test_every_name_of_the_template_is_replaced(tmp_path: Path) -> None:
    made = new_plugin("nova-2", tmp_path / "out", vendor="Nova Labs")
    found = contents(tmp_path / "out")
    assert made.files == tuple(sorted(found))
    assert "src/nova_2_hwcore/recipes/nova-2-numpy.yaml" in found
    assert not [name for name, text in found.items() if re.search("acme", name + text, re.I)]
    assert "By Nova Labs." in found["README.md"]


def test_the_licence_is_that_of_this_repository(tmp_path: Path) -> None:
    new_plugin("nova", tmp_path / "out")
    assert (tmp_path / "out" / "LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()


@pytest.mark.parametrize("name", AWKWARD)
def test_every_file_is_valid_whatever_the_name(name: str, tmp_path: Path) -> None:
    made = new_plugin(name, tmp_path / "out", vendor='O\'"Neill" \\ Söhne {x} $y')
    package = tmp_path / "out" / "src" / made.names.package
    manifest, schemas = read_manifest(package / "hwcore-plugin.toml")
    assert (manifest.name, manifest.vendor) == (name, made.names.vendor)
    assert [row.id for row in manifest.capabilities] == ["npz", "numpy"]
    assert set(schemas) == {"npz"}
    recipe = read_recipe(package / f"recipes/{name}-numpy.yaml")
    assert [step.plugin for step in recipe.steps] == [name, name]
    project = tomllib.loads((tmp_path / "out" / "pyproject.toml").read_text("utf-8"))["project"]
    module_name = f"{made.names.package}.plugin"
    assert project["entry-points"] == {"hwcore.plugins": {name: module_name}}
    assert project["authors"] == [{"name": made.names.vendor}]
    workflow = (tmp_path / "out" / ".github/workflows/conformance.yml").read_text("utf-8")
    assert yaml.safe_load(workflow)["jobs"]["conformance"]["env"]["PLUGIN"] == name
    for path in package.glob("*.py"):
        compile(path.read_text("utf-8"), path.name, "exec")


def test_the_vendor_is_called_like_the_plugin_unless_said() -> None:
    assert names_of("fast-chips").vendor == "Fast Chips"
    assert names_of("fast-chips", " Fast Chips GmbH ").vendor == "Fast Chips GmbH"


@pytest.mark.parametrize(
    ("name", "reason", "better"),
    [
        ("Acme", "lower-case letters", "acme"),
        ("acme engine!", "lower-case letters", "acme-engine"),
        ("-acme-", "at both ends", "acme"),
        ("../acme", "lower-case letters", "acme"),
        ("acme\n", "lower-case letters", "acme"),
        ("", "lower-case letters", "acme"),
        ("ü", "lower-case letters", "acme"),
        ("n" * 59, "at most 58 characters", "n" * 58),
        ("n" * 99, "at most 58 characters", "n" * 58),
        ("3dfx", "begin with a digit", "plugin-3dfx"),
        ("no", "a recipe is a YAML file", "plugin-no"),
    ],
)
def test_a_bad_name_is_explained_and_a_better_one_told(
    name: str, reason: str, better: str, tmp_path: Path
) -> None:
    with pytest.raises(UserError) as caught:
        new_plugin(name, tmp_path / "out")
    assert caught.value.message.startswith(f"a plugin cannot be called {name!r}: ")
    assert reason in caught.value.message
    assert caught.value.hint == f"Call it {better!r}, say."
    assert names_of(better).plugin == better
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("vendor", ["", " ", "a\nb", "a\tb", "\x7f", "\udcff"])
def test_a_vendor_is_one_line_of_text(vendor: str) -> None:
    with pytest.raises(UserError, match="a vendor cannot be called"):
        names_of("nova", vendor)


def test_a_folder_that_holds_something_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "kept.txt").write_text("kept")
    with pytest.raises(UserError, match="is not empty") as caught:
        new_plugin("nova", tmp_path)
    assert caught.value.hint == "Name a new or an empty folder with --out."
    assert contents(tmp_path) == {"kept.txt": "kept"}


def test_a_result_of_hwcore_is_not_taken_for_an_earlier_package(tmp_path: Path) -> None:
    (tmp_path / "artifact.json").write_text("{}")
    with pytest.raises(UserError, match="is not empty"):
        new_plugin("nova", tmp_path)


def test_an_empty_folder_is_filled(tmp_path: Path) -> None:
    new_plugin("nova", tmp_path)
    assert (tmp_path / "pyproject.toml").is_file()


def test_a_file_in_the_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("kept")
    with pytest.raises(UserError, match="file is a file"):
        new_plugin("nova", tmp_path / "file")


def test_a_name_that_another_distribution_has_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(write_plugin(tmp_path, "nova", manifest=""))
    with pytest.raises(UserError, match="brings a plugin called 'nova'") as caught:
        new_plugin("nova", tmp_path / "out")
    assert "pip uninstall" in (caught.value.hint or "")
    assert not (tmp_path / "out").exists()


def test_an_earlier_package_of_the_same_plugin_does_not_stand_in_the_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    info = tmp_path / "site" / "nova_hwcore-1.0.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: nova-hwcore\nVersion: 1.0.0\n")
    (info / "entry_points.txt").write_text("[hwcore.plugins]\nnova = nova_hwcore.plugin\n")
    monkeypatch.syspath_prepend(tmp_path / "site")
    new_plugin("nova", tmp_path / "out")
