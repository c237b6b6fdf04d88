"""What starting costs: no vendor's library and no plugin is imported before it is needed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from command import Command
from dummies.making import write_plugin

ROW = """
[[capabilities]]
id = "engine"
hook = "run"
inputs = [{ format = "onnx" }]
lossless = true
"""

HEAVY = (
    "torch", "transformers", "tokenizers", "safetensors", "huggingface_hub", "onnx", "onnxruntime",
    "openvino", "nncf", "numpy", "scipy", "matplotlib", "PIL", "jsonschema",
    "core_plugin_torch", "core_plugin_onnxruntime", "core_plugin_openvino", "core_plugin_intel",
)  # fmt: skip


def modules(code: str, **environment: str) -> set[str]:
    """Top-level modules in memory after ``code`` has run in a fresh interpreter."""
    told = "; import json, sys; sys.stderr.write(json.dumps(list(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code + told],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return {name.partition(".")[0] for name in json.loads(done.stderr)}


def test_importing_hwcore_imports_nothing_heavy() -> None:
    assert modules("import hwcore").isdisjoint({*HEAVY, "pydantic", "typer", "rich"})


def test_importing_the_contract_imports_nothing_heavy() -> None:
    assert modules("import hwcore.contract").isdisjoint({*HEAVY, "typer", "rich"})


def test_the_names_of_hwcore_are_there_when_asked_for() -> None:
    names = "[getattr(hwcore, name) for name in hwcore.__all__]"
    loaded = modules(f"import hwcore; {names}")
    assert "numpy" in loaded
    assert loaded.isdisjoint({"torch", "transformers", "onnxruntime", "openvino"})


@pytest.mark.parametrize(
    "arguments",
    [["--help"], ["optimize", "--help"], ["plugins", "list"], ["plugins", "list", "--json"]],
    ids=" ".join,
)
def test_looking_around_imports_nothing_heavy(arguments: list[str]) -> None:
    code = (
        f"import sys; sys.argv = ['hwcore', *{arguments}]\n"
        "from hwcore.cli import main\n"
        "try: main()\n"
        "except SystemExit as ended: assert ended.code == 0\n"
        "pass"
    )
    assert modules(code).isdisjoint(HEAVY)


def test_many_plugins_are_listed_without_running_any(tmp_path: Path) -> None:
    folders = []
    for number in range(20):
        folder = write_plugin(tmp_path, f"dummy-{number:02}", manifest=ROW)
        for file in folder.rglob("*.py"):
            file.write_text("raise ImportError('a listing imported a plugin')")
        folders.append(folder)
    hwcore = Command(tmp_path / "cache", plugins=tuple(folders))
    rows = hwcore("plugins", "list", "--json").check().json()
    dummies = [row for row in rows if row["name"].startswith("dummy-")]
    assert len(dummies) == 20
    assert {row["state"] for row in dummies} == {"found"}
    assert {tuple(row["capabilities"]) for row in dummies} == {("engine",)}
