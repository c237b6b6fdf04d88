"""``--json``: what a program reads, and nothing else on standard output."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import models
import numpy as np
from command import Command
from dummies.feeling import LAYERS, write_feeler
from dummies.making import write_plugin

OURS = {"intel", "openvino", "onnxruntime", "torch", "steps"}


def test_plugins_list_has_exactly_these_keys(hwcore: Command) -> None:
    rows = hwcore("plugins", "list", "--json").check().json()
    assert {row["name"] for row in rows} == OURS
    for row in rows:
        assert list(row) == [
            "name", "distribution", "version", "state", "reason", "hooks", "capabilities"
        ]  # fmt: skip
    steps = next(row for row in rows if row["name"] == "steps")
    assert steps == {
        "name": "steps",
        "distribution": "hwdummy-steps",
        "version": "2.1.0",
        "state": "found",
        "reason": "",
        "hooks": ["compile", "quantize", "run"],
        "capabilities": ["pack", "off", "odd", "from-odd", "int8", "tuned", "built", "numpy"],
    }


def test_plugins_list_says_why_the_unusable_are_so(tmp_path: Path) -> None:
    late = 'name = "late"\nvendor = "v"\nsummary = "s"\ncontract = ">=9"\n'
    plugins = (
        write_plugin(tmp_path, "bad", manifest='name = "bad"\n'),
        write_plugin(tmp_path, "late", manifest=late),
    )
    hwcore = Command(tmp_path / "cache", {"HWCORE_PLUGINS": "bad,late,torch"}, plugins)
    rows = hwcore("plugins", "list", "--json").check().json()
    assert {row["name"]: row["state"] for row in rows} == {
        "bad": "broken",
        "late": "incompatible",
        "torch": "found",
        "intel": "blocked",
        "openvino": "blocked",
        "onnxruntime": "blocked",
    }
    for row in rows:
        assert bool(row["reason"]) == (row["state"] != "found")


def test_no_plugins_blocks_all(hwcore: Command) -> None:
    rows = hwcore("--no-plugins", "plugins", "list", "--json").check().json()
    assert {row["state"] for row in rows} == {"blocked"}
    assert {row["name"] for row in rows} == OURS


def test_plugins_info(hwcore: Command) -> None:
    info = hwcore("plugins", "info", "steps", "--json").check().json()
    assert info["manifest"]["summary"] == "Steps that keep their word, and steps that do not."
    assert info["options"]["int8"]["properties"]["note"] == {"type": "string"}


def test_doctor(hwcore: Command) -> None:
    report = hwcore("doctor", "--json").check().json()
    assert report["devices"][0]["id"] == "cpu"
    assert report["devices"][0]["cores"] >= 1
    assert {plugin["name"] for plugin in report["plugins"]} == OURS
    assert {"name", "here", "meaning"} == set(report["features"][0])
    assert any("no-such-distribution" in advice for advice in report["advice"])


def test_a_step_gives_the_manifest_of_what_it_made(
    hwcore: Command, toy: Path, tmp_path: Path
) -> None:
    out = tmp_path / "int8"
    done = hwcore("quantize", toy, "--capability", "int8", "--out", out, "--json").check()
    manifest = done.json()
    assert manifest["traits"]["quantization"] == "int8-weight"
    assert manifest["lineage"][-1]["plugin"] == "steps"
    assert manifest["digest"] in (out / "artifact.json").read_text()


def test_run(hwcore: Command, toy: Path, tmp_path: Path) -> None:
    inputs, out = tmp_path / "x.npz", tmp_path / "y.npz"
    x = np.ones((2, 4), np.float32)
    np.savez(inputs, x=x)
    done = hwcore("run", toy, "--inputs", inputs, "--out", out, "--json").check()
    assert done.json() == [{"output": "y", "shape": [2, 3]}]
    with np.load(out) as found, np.load(toy / "model.npz") as model:
        np.testing.assert_allclose(found["y"], x @ model["w"], rtol=1e-6)


def test_bench(hwcore: Command, toy: Path) -> None:
    done = hwcore("bench", toy, toy, "--rounds", "3", "--batch", "2", "--json").check()
    first, second = done.json()
    assert (first["model"], second["model"]) == (str(toy), f"{toy} (2)")
    assert first["runs_with"] == "steps/numpy"
    assert first["timings"][0]["batch"] == 2
    assert first["speedups"][0]["value"] == 1.0
    assert 0.1 < second["speedups"][0]["value"] < 10


def test_cache(hwcore: Command, toy: Path, tmp_path: Path) -> None:
    assert hwcore("cache", "list", "--json").check().json() == []
    hwcore(
        "compile", toy, "--plugin", "steps", "--capability", "pack", "--out", tmp_path / "packed"
    )
    [entry] = hwcore("cache", "list", "--json").check().json()
    assert (entry["kind"], entry["what"]) == ("steps", "compile steps/pack")
    assert hwcore("cache", "prune", "--older-than", "1", "--json").check().json() == []
    [gone] = hwcore("cache", "prune", "--all", "--json").check().json()
    assert gone == {"kind": "steps", "key": entry["key"], "bytes": entry["size_bytes"]}
    assert hwcore("cache", "list", "--json").check().json() == []


def test_sensitivity(tiny: Callable[..., Path], tmp_path: Path) -> None:
    hwcore = Command(
        tmp_path / "cache", {"HWCORE_PLUGINS": "feeler"}, plugins=(write_feeler(tmp_path),)
    )
    reviews = models.write_csv(tmp_path / "reviews.csv", models.reviews(20))
    done = hwcore("sensitivity", tiny("bert"), "--data", reviews, "-o", "rows=9", "--json").check()
    found = done.json()
    assert (found["plugin"], found["options"]) == ("feeler", {"rows": 9})
    assert found["sensitivity"]["rows"] == 9
    assert [layer["name"] for layer in found["sensitivity"]["layers"]] == list(LAYERS)
