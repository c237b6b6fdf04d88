"""The wheels, as somebody who never saw this repository installs them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
import zipfile
from email.message import Message
from email.parser import HeaderParser
from pathlib import Path

import numpy as np
import pytest
from command import Command
from optimizing import DROP, ONNX, QUICK, Optimized

import hwcore as hw

ROOT = Path(__file__).parents[2]
PLUGINS = ("torch", "onnxruntime", "openvino", "intel")
FOLDERS = {"hwcore": ROOT / "core"} | {
    f"core-plugin-{name}": ROOT / "plugins" / name for name in PLUGINS
}


@pytest.fixture(scope="session")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The wheel of each distribution."""
    out = tmp_path_factory.mktemp("wheels")
    for folder in FOLDERS.values():
        build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out)]
        call([*build, str(folder)])
    return {path.name.partition("-")[0].replace("_", "-"): path for path in out.glob("*.whl")}


@pytest.fixture(scope="session")
def serving(wheels: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The ``bin`` of a fresh environment with what a machine needs that serves an ONNX model."""
    chosen = [str(wheels[name]) for name in ("hwcore", "core-plugin-onnxruntime")]
    return environment(tmp_path_factory.mktemp("serving"), *chosen)


class TestContent:
    def test_there_is_a_wheel_of_each_distribution(self, wheels: dict[str, Path]) -> None:
        assert wheels.keys() == FOLDERS.keys()

    @pytest.mark.parametrize("name", FOLDERS)
    def test_it_holds_its_package_and_nothing_else(
        self, wheels: dict[str, Path], name: str
    ) -> None:
        package = name.replace("-", "_")
        source = FOLDERS[name] / "src"
        files = {
            path.relative_to(source).as_posix()
            for path in (source / package).rglob("*")
            if path.is_file() and "__pycache__" not in path.parts
        }
        assert {n for n in names(wheels[name]) if ".dist-info/" not in n} == files
        assert f"{package}/py.typed" in files

    @pytest.mark.parametrize("name", FOLDERS)
    def test_it_says_its_licence_and_brings_the_text(
        self, wheels: dict[str, Path], name: str
    ) -> None:
        assert metadata(wheels[name])["License-Expression"] == "Apache-2.0"
        text = read(wheels[name], ".dist-info/licenses/LICENSE")
        assert text == (ROOT / "LICENSE").read_text("utf-8")

    @pytest.mark.parametrize("name", PLUGINS)
    def test_a_plugin_brings_all_that_its_manifest_names(
        self, wheels: dict[str, Path], name: str
    ) -> None:
        wheel, package = wheels[f"core-plugin-{name}"], f"core_plugin_{name}"
        manifest = tomllib.loads(read(wheel, f"{package}/hwcore-plugin.toml"))
        inside = names(wheel)
        for file in (*manifest["recipes"], manifest["options"]):
            assert f"{package}/{file}" in inside
        points = read(wheel, ".dist-info/entry_points.txt").split()
        assert points == ["[hwcore.plugins]", name, "=", f"{package}.plugin"]
        extras = {row["extra"] for row in manifest["capabilities"] if "extra" in row}
        assert extras <= set(metadata(wheel).get_all("Provides-Extra", []))

    def test_running_a_graph_asks_for_no_build_libraries(self, wheels: dict[str, Path]) -> None:
        for name in ("hwcore", "core-plugin-onnxruntime", "core-plugin-openvino"):
            needed = [
                requirement
                for requirement in metadata(wheels[name]).get_all("Requires-Dist", [])
                if "extra ==" not in requirement
            ]
            heavy = ("torch", "transformers", "nncf", "onnx>", "onnxscript")
            assert [line for line in needed if line.startswith(heavy)] == []


class TestWithoutTorch:
    """Core and ONNX Runtime alone."""

    def test_it_opens_what_optimize_made(
        self, serving: Path, onnx: Optimized, tmp_path: Path
    ) -> None:
        [trial] = [t for t in onnx.study["trials"] if t["plan"]["name"] == ONNX]
        ids = np.array([[2, 7, 9, 3], [2, 8, 3, 0]])
        inputs = {
            "input_ids": ids,
            "attention_mask": (ids > 0).astype(np.int64),
            "token_type_ids": np.zeros_like(ids),
        }
        np.savez(tmp_path / "inputs.npz", **inputs)
        code = (
            "import importlib.util, sys, numpy as np, hwcore\n"
            "for name in ('torch', 'transformers', 'onnx', 'openvino'):\n"
            "    assert importlib.util.find_spec(name) is None, name\n"
            "with hwcore.load(sys.argv[1]) as model, np.load(sys.argv[2]) as inputs:\n"
            "    np.save(sys.argv[3], model(inputs)['logits'])\n"
        )
        artifact, found = trial["artifact_path"], tmp_path / "found.npy"
        python = str(serving / "python")
        call([python, "-c", code, artifact, str(tmp_path / "inputs.npz"), str(found)])
        with hw.load(artifact) as model:
            np.testing.assert_allclose(np.load(found), model(inputs)["logits"], atol=1e-5)

    def test_it_says_what_is_missing_for_more(
        self, serving: Path, bert: Path, tmp_path: Path
    ) -> None:
        hwcore = Command(tmp_path / "cache", program=(str(serving / "hwcore"),))
        [row] = hwcore("plugins", "list", "--json").check().json()
        assert (row["name"], row["state"]) == ("onnxruntime", "found")
        advice = " ".join(hwcore("doctor", "--json").check().json()["advice"])
        assert 'pip install "core-plugin-onnxruntime[build]"' in advice
        done = hwcore("optimize", bert, "--out", tmp_path / "out")
        done.refused(4, "nothing to compare with", "pip install core-plugin-torch")
        done = hwcore("export", bert, "--out", tmp_path / "out")
        done.refused(2, "needs ", 'pip install "core-plugin-onnxruntime[build]"')


def test_everything_installed_from_wheels_optimizes(
    wheels: dict[str, Path], bert: Path, reviews: Path, tmp_path: Path
) -> None:
    """The core, all plugins and what they build with, in a fresh environment."""
    build = [f"core-plugin-{n}[build] @ {wheels[f'core-plugin-{n}'].as_uri()}" for n in PLUGINS[1:]]
    plain = [str(wheels["hwcore"]), str(wheels["core-plugin-torch"])]
    programs = environment(tmp_path / "whole", *plain, *build)
    call([str(programs / "pip"), "check"])
    hwcore = Command(tmp_path / "cache", program=(str(programs / "hwcore"),))
    rows = hwcore("plugins", "list", "--json").check().json()
    assert {row["name"]: row["state"] for row in rows} == dict.fromkeys(PLUGINS, "found")
    plans = ("onnxruntime-int8-dynamic", "openvino-int8", "intel-int8-onnxruntime")
    recipes = [argument for plan in plans for argument in ("--recipe", plan)]
    arguments = ("--data", reviews, *recipes, *DROP, *QUICK, "--out", tmp_path / "out", "--json")
    study = hwcore("optimize", bert, *arguments).check().json()
    assert {trial["state"] for trial in study["trials"]} == {"measured"}
    assert (tmp_path / "out" / "artifact.json").exists()
    told = call(
        [str(programs / "python"), "-c", "import hwcore, json; print(json.dumps(hwcore.__file__))"]
    )
    assert Path(json.loads(told)).is_relative_to(tmp_path / "whole"), "it ran the repository's code"


def environment(folder: Path, *requirements: str) -> Path:
    """A fresh virtual environment with these installed by pip; gives its ``bin``."""
    call([sys.executable, "-m", "venv", str(folder)])
    pip = [str(folder / "bin" / "pip"), "install", "--quiet", "--disable-pip-version-check"]
    call([*pip, "--constraint", str(ROOT / "constraints.txt"), *requirements])
    return folder / "bin"


def call(command: list[str]) -> str:
    """Run a program that must succeed, away from this repository; what it printed."""
    variables = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, cwd="/", env=variables
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def names(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def read(wheel: Path, end: str) -> str:
    """The text of the one file whose name ends so."""
    with zipfile.ZipFile(wheel) as archive:
        [name] = [name for name in archive.namelist() if name.endswith(end)]
        return archive.read(name).decode()


def metadata(wheel: Path) -> Message:
    return HeaderParser().parsestr(read(wheel, ".dist-info/METADATA"))
