"""Files that are not read: damaged ones, and those that would run code."""

from __future__ import annotations

import io
import json
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import parts
import pytest
import torch
from engine_steps import program_of

from core_plugin_torch import archive
from core_plugin_torch import program as programs
from hwcore.contract import Artifact, ArtifactCorrupt

GRAPH = "models/model.json"
WEIGHTS = "data/weights/model_weights_config.json"


class Doubled(torch.nn.Module):
    """Something with a weight, and a size in its graph."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = torch.nn.Linear(4, 3)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor]:
        return (self.linear(x.reshape(x.shape[0] * 2, 2).reshape(-1, 4)),)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    folder = tmp_path_factory.mktemp("archive") / "whole"
    return program_of(Doubled(), parts.vector_signature(), folder)


Change = Callable[[dict[str, bytes]], None]


@pytest.fixture
def changed(whole: Artifact, tmp_path: Path) -> Callable[[Change], Path]:
    """``changed(change)``: a copy of the file whose entries, by name, were changed."""

    def rewrite(change: Change) -> Path:
        with zipfile.ZipFile(whole.component_file()) as original:
            entries = {i.filename.partition("/")[2]: original.read(i) for i in original.infolist()}
        change(entries)
        path = tmp_path / "model.pt2"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as copy:
            for name, content in entries.items():
                copy.writestr(f"model/{name}", content)
        return path

    return rewrite


def _edit(name: str, edit: Callable[[Any], None]) -> Change:
    """A change of the JSON in an entry."""

    def change(entries: dict[str, bytes]) -> None:
        value = json.loads(entries[name])
        edit(value)
        entries[name] = json.dumps(value).encode()

    return change


def _first(value: Any, key: str) -> dict[str, Any]:
    """The first object in a JSON value that has a key."""
    found = list(_all(value, key))
    return found[0]


def _all(value: Any, key: str) -> Any:
    if isinstance(value, dict):
        if isinstance(value.get(key), str):
            yield value
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from _all(item, key)


def test_what_was_written_is_read(whole: Artifact, changed: Callable[[Change], Path]) -> None:
    assert archive.check(whole.component_file()) == {"aten"}
    assert archive.check(changed(lambda entries: None)) == {"aten"}


def _examples(entries: dict[str, bytes]) -> None:
    content = io.BytesIO()
    torch.save([1], content)
    entries["data/sample_inputs/model.pt"] = content.getvalue()


def _pickled_constant(entries: dict[str, bytes]) -> None:
    entries["data/constants/opaque_obj_0"] = pickle.dumps(print)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (_examples, "the entry 'model/data/sample_inputs/model.pt'"),
        (_pickled_constant, "the entry 'model/data/constants/opaque_obj_0'"),
        (
            _edit(WEIGHTS, lambda v: _first(v, "path_name").update(use_pickle=True)),
            "use_pickle True",
        ),
        (
            _edit(GRAPH, lambda v: v.update(guards_code=["__import__('os').abort()"])),
            "guards_code [",
        ),
        (
            _edit(GRAPH, lambda v: _first(v, "target").update(target="torch.hub.load")),
            "target 'torch.hub.load'",
        ),
        (
            _edit(
                GRAPH,
                lambda v: _first(v, "target").update(target="torch.ops.aten.from_file.default"),
            ),
            "target 'torch.ops.aten.from_file.default'",
        ),
        (
            _edit(GRAPH, lambda v: _first(v, "target").update(target="_operator.methodcaller")),
            "target '_operator.methodcaller'",
        ),
        (
            _edit(
                GRAPH,
                lambda v: _first(v, "expr_str").update(expr_str="__import__('os').system('x')"),
            ),
            "expr_str ",
        ),
        (
            _edit(GRAPH, lambda v: _first(v, "expr_str").update(expr_str="Symbol('x.y')")),
            "expr_str ",
        ),
        (
            _edit(GRAPH, lambda v: _first(v, "expr_str").update(expr_str="(lambda: 1)()")),
            "expr_str ",
        ),
        (
            _edit(GRAPH, lambda v: _first(v, "as_name").update(as_name="a\nimport os")),
            "as_name ",
        ),
    ],
)
def test_what_would_run_code_is_not_read(
    change: Change, named: str, changed: Callable[[Change], Path]
) -> None:
    path = changed(change)
    with pytest.raises(ArtifactCorrupt, match="it is not read") as error:
        archive.check(path)
    assert f"{path} holds {named}" in error.value.message
    assert error.value.hint == "Make the artifact again, from a model that you trust."


def test_a_part_of_a_file_is_not_read(whole: Artifact, tmp_path: Path) -> None:
    path = tmp_path / "model.pt2"
    content = whole.component_file().read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(ArtifactCorrupt, match="or only a part of one"):
        archive.check(path)


def test_a_graph_that_is_missing_is_named(changed: Callable[[Change], Path]) -> None:
    def change(entries: dict[str, bytes]) -> None:
        del entries[GRAPH]

    with pytest.raises(ArtifactCorrupt, match=f"lacks {GRAPH}"):
        archive.check(changed(change))


def test_a_graph_without_an_end_is_not_read(
    changed: Callable[[Change], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = changed(lambda entries: None)
    monkeypatch.setattr(archive, "MAX_TEXT_BYTES", 100)
    with pytest.raises(ArtifactCorrupt, match=r"has a graph of \d+ bytes, expected at most 100"):
        archive.check(path)


def test_a_graph_that_torch_does_not_take_is_named(
    whole: Artifact, changed: Callable[[Change], Path], tmp_path: Path
) -> None:
    changed(_edit(GRAPH, lambda v: v["graph_module"]["graph"].pop("nodes")))
    torn = whole.model_copy(update={"path": tmp_path})
    with pytest.raises(ArtifactCorrupt, match="cannot be read by torch") as error:
        programs.read(torn)
    assert error.value.hint == "Export the model again with this version of torch."
