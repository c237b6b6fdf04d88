"""What people read: plain words, and names of their own things."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import models
from command import Command, sketching
from dummies.feeling import write_feeler
from dummies.making import write_plugin

ROW = '''
options = "options.json"

[[capabilities]]
id = "engine"
hook = "run"
summary = """Runs
``onnx`` files."""
inputs = [{ format = "onnx" }]
lossless = true
'''

DESCRIPTION = "``auto``: the engine's\nown choice of\n[threads]."


def test_a_plugin_is_described_in_plain_words(hwcore: Command, tmp_path: Path) -> None:
    folder = write_plugin(tmp_path, "acme", manifest=ROW)
    options = {"threads": {"description": DESCRIPTION, "default": None, "type": "null"}}
    schema = {"engine": {"type": "object", "properties": options}}
    (folder / "hwdummy_acme" / "options.json").write_text(json.dumps(schema))
    command = replace(hwcore, plugins=(folder,))
    lines = command("plugins", "info", "acme").check().out.splitlines()
    assert "run engine: Runs onnx files." in lines
    place = lines.index("  -o threads=null")
    assert lines[place + 1] == "      auto: the engine's own choice of [threads]."
    told = command("plugins", "info", "acme", "--json").check().json()
    assert told["options"]["engine"]["properties"]["threads"]["description"] == DESCRIPTION


def test_the_cache_names_what_it_was_filled_with(tiny: Callable[..., Path], tmp_path: Path) -> None:
    model = tiny("bert")
    reviews = models.write_csv(tmp_path / "reviews.csv", models.reviews(60))
    sketch = sketching(tmp_path / "cache", COLUMNS="500")
    sketch("optimize", model, "--data", reviews, "--max-drop", 0.5, "--rounds", 3).check()
    found = {e["kind"]: e["what"] for e in sketch("cache", "list", "--json").check().json()}
    assert found["datasets"] == f"rows of {reviews} for {model}"
    assert found["studies"] == f"study of {model} on {reviews}"


def test_layers_are_shown_with_blocks_and_the_worst_is_named(
    tiny: Callable[..., Path], tmp_path: Path
) -> None:
    hwcore = Command(
        tmp_path / "cache", {"HWCORE_PLUGINS": "feeler"}, plugins=(write_feeler(tmp_path),)
    )
    reviews = models.write_csv(tmp_path / "reviews.csv", models.reviews(20))
    out = tmp_path / "out"
    lines = hwcore("sensitivity", tiny("bert"), "--data", reviews, "--out", out).check().out
    assert "encoder.first       0 k  25.0%  +0.500 █" in lines
    assert "encoder.second      0 k  25.0%  +0.000 ·" in lines
    assert "worst at int8: encoder.first, error 0.25" in lines
    assert f"picture  {out / 'sensitivity.png'}" in lines
    told = hwcore("plugins", "info", "feeler").check().out
    assert "sensitivity: what each layer of a model costs and weighs\n  -o rows=null\n" in told
