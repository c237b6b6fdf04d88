"""Finding the recipe a user named."""

from __future__ import annotations

from pathlib import Path

import pytest

from hwcore.contract import Recipe, Step, UserError
from hwcore.pipeline import write_recipe
from hwcore.workflows.recipes import find_recipe

RUN = (Step(hook="run", plugin="acme"),)
BUNDLED = [Recipe(name=name, steps=RUN) for name in ("openvino-int8", "onnxruntime-fp32")]
MINE = Recipe(name="mine", steps=RUN)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "mine.yaml"
    path.write_text(write_recipe(MINE))
    return path


def test_by_name() -> None:
    assert find_recipe("openvino-int8", BUNDLED) is BUNDLED[0]


def test_by_file(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert find_recipe(str(file), BUNDLED) == MINE
    bare = file.rename(file.with_name("mine"))
    assert find_recipe(str(bare), BUNDLED) == MINE
    monkeypatch.setenv("HOME", str(bare.parent))
    assert find_recipe("~/mine", BUNDLED) == MINE


def test_a_bundled_name_wins_over_a_file(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file.rename(file.with_name("openvino-int8"))
    monkeypatch.chdir(file.parent)
    assert find_recipe("openvino-int8", BUNDLED) is BUNDLED[0]


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"gone.yml cannot be read: No such file"):
        find_recipe(str(tmp_path / "gone.yml"), BUNDLED)


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        (
            "openvino-int4",
            "Did you mean 'openvino-int8'? Bundled recipes: openvino-int8, onnxruntime-fp32.",
        ),
        (
            "int8",
            "Did you mean 'openvino-int8'? Bundled recipes: openvino-int8, onnxruntime-fp32.",
        ),
        ("zzz", "Bundled recipes: openvino-int8, onnxruntime-fp32."),
    ],
)
def test_a_name_that_nobody_has(name: str, hint: str) -> None:
    with pytest.raises(UserError) as caught:
        find_recipe(name, BUNDLED)
    assert caught.value.message == f"there is no recipe {name!r}"
    assert caught.value.hint == hint


def test_where_there_are_none_at_all() -> None:
    with pytest.raises(UserError) as caught:
        find_recipe("fast", [])
    assert caught.value.hint == "Bundled recipes: none."
