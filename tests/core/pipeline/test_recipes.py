"""Recipe files: what is read, how mistakes are told, and that what is written is read again."""

from __future__ import annotations

import os
import time
from pathlib import Path

import parts
import pytest

from hwcore.contract import Recipe, Step, UserError
from hwcore.pipeline import bundled_recipes, read_recipe, write_recipe

GOOD = """
name: fast
summary: Fast — and good
tasks: [text-classification]
steps:
  - hook: export
    plugin: acme
    options: {opset: 20, layers: [1, 2], note: "äöü"}
  - {hook: run, plugin: acme, capability: cpu}
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "fast.yaml"


def test_read(path: Path) -> None:
    path.write_text(GOOD, encoding="utf-8")
    assert read_recipe(path) == Recipe(
        name="fast",
        summary="Fast — and good",
        tasks=("text-classification",),
        steps=(
            Step(
                hook="export",
                plugin="acme",
                options={"opset": 20, "layers": [1, 2], "note": "äöü"},
            ),
            Step(hook="run", plugin="acme", capability="cpu"),
        ),
    )


def test_what_is_written_is_read_again(path: Path) -> None:
    path.write_text(GOOD, encoding="utf-8")
    recipe = read_recipe(path)
    text = write_recipe(recipe)
    path.write_text(text, encoding="utf-8")
    assert read_recipe(path) == recipe
    assert write_recipe(read_recipe(path)) == text
    keys = [line.split(":")[0] for line in text.splitlines() if line[0].isalpha()]
    assert keys == ["schema_version", "name", "summary", "tasks", "steps"]
    assert "äöü" in text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (GOOD.replace("name: fast", "name: FAST"), "name: String should match pattern"),
        (GOOD.replace("name: fast\n", ""), "name: Field required"),
        (GOOD.replace("hook: export", "hook: exports"), "steps.0.hook: Input should be 'export'"),
        (
            GOOD.replace("hook: export", "hook: run"),
            "the file: a recipe has exactly one run step, and it is the last",
        ),
        (GOOD.split("steps:")[0], "steps: Field required"),
        (GOOD.split("steps:")[0] + "steps: []", "steps: Tuple should have at least 1 item"),
        (GOOD.replace("opset: 20", "opset: .nan"), "Input should be a finite number"),
        (GOOD.replace("opset: 20", "opset: 2020-01-01"), "not a valid JSON value"),
        ("", "the file: Input should be"),
        ("- one\n- two\n", "the file: Input should be"),
        ("schema_version: 2\n" + GOOD, "schema_version: Input should be 1"),
    ],
)
def test_a_mistake_is_told_by_file_and_key(path: Path, text: str, message: str) -> None:
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UserError) as caught:
        read_recipe(path)
    assert caught.value.message.startswith(f"recipe {path}: ")
    assert message in caught.value.message


@pytest.mark.parametrize(
    ("old", "new", "key", "near"),
    [
        ("summary:", "sumary:", "sumary", "summary"),
        ("tasks:", "task:", "task", "tasks"),
        ("options:", "option:", "steps.0.option", "options"),
        ("capability:", "capabilty:", "steps.1.capabilty", "capability"),
    ],
)
def test_an_unknown_key_suggests_the_nearest(
    path: Path, old: str, new: str, key: str, near: str
) -> None:
    path.write_text(GOOD.replace(old, new), encoding="utf-8")
    with pytest.raises(UserError) as caught:
        read_recipe(path)
    assert caught.value.message == f"recipe {path}: unknown key {key!r}"
    assert caught.value.hint is not None
    assert caught.value.hint.startswith(f"Did you mean {near!r}? Known keys: ")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"name: [", "is not YAML: line 1, column 8: while parsing a flow node, expected "),
        (b"a: 1\n\tb: 2", "is not YAML: line 2, column 1: while scanning for the next token, "),
        (b"a: b: c", "is not YAML: line 1, column 5: mapping values are not allowed here$"),
        (b"name: \xff", "is not YAML: byte 0xff is not UTF-8$"),
        (b"name: \0", "is not YAML: unacceptable character #x0000: special characters are not "),
        (b"name: !!python/object/apply:os.getcwd []", "is not YAML: line 1, column 7: could not "),
        (b"one: 1\n---\ntwo: 2", "column 1: expected a single document in the stream, but found"),
        (b"[" * 50_000, "is nested more deeply than any recipe is"),
    ],
    ids=["open", "tab", "colons", "encoding", "nul", "code", "two", "deep"],
)
def test_what_is_no_yaml(path: Path, content: bytes, message: str) -> None:
    path.write_bytes(content)
    with pytest.raises(UserError, match=message) as caught:
        read_recipe(path)
    assert "\n" not in caught.value.message
    assert caught.value.hint is not None


def test_a_few_lines_that_stand_for_billions_are_refused_at_once(path: Path) -> None:
    levels = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    levels += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]
    path.write_text("\n".join(levels))
    began = time.monotonic()
    with pytest.raises(UserError, match="line 2, column 10: aliases have no place in a recipe"):
        read_recipe(path)
    assert time.monotonic() - began < 5


def test_a_file_too_large_is_not_read(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path.touch()
    os.truncate(path, (1 << 20) + 1)
    monkeypatch.setattr(Path, "read_text", lambda *_, **__: pytest.fail("it was read"))
    with pytest.raises(UserError, match="is larger than 1 MiB, which no recipe is"):
        read_recipe(path)


def test_a_file_that_is_not_there(path: Path) -> None:
    with pytest.raises(UserError, match="cannot be read: No such file or directory"):
        read_recipe(path)
    with pytest.raises(UserError, match="cannot be read: Is a directory"):
        read_recipe(path.parent)


class TestBundled:
    def record(self, name: str, folder: Path, text: str, **changes: object) -> object:
        parts.write_files(folder, {"recipe.yaml": text.encode()})
        found = parts.record(name, folder=folder, **changes)
        assert found.manifest is not None
        manifest = found.manifest.model_copy(update={"recipes": ("recipe.yaml",)})
        return parts.record(name, folder=folder, manifest=manifest, **changes)

    def test_in_the_order_of_plugins(self, tmp_path: Path) -> None:
        records = [
            self.record(name, tmp_path / name, GOOD.replace("name: fast", f"name: {name}-fast"))
            for name in "ba"
        ]
        recipes, bad = bundled_recipes(records)
        assert [recipe.name for recipe in recipes] == ["b-fast", "a-fast"]
        assert bad == []

    def test_only_of_plugins_that_can_be_used(self, tmp_path: Path) -> None:
        broken = self.record("a", tmp_path / "a", GOOD, state="broken")
        bare = parts.record("b", manifest=None, state="blocked")
        assert bundled_recipes([broken, bare]) == ([], [])

    def test_a_bad_one_is_its_plugins_fault_and_nobody_elses(self, tmp_path: Path) -> None:
        bad = self.record("acme", tmp_path / "a", GOOD.replace("tasks", "task"))
        good = self.record("other", tmp_path / "b", GOOD)
        recipes, left = bundled_recipes([bad, good])
        assert [recipe.name for recipe in recipes] == ["fast"]
        assert [entry.name for entry in left] == ["acme:recipe.yaml"]
        assert "unknown key 'task'" in left[0].reason

    def test_one_that_is_not_there(self, tmp_path: Path) -> None:
        record = self.record("acme", tmp_path, GOOD)
        (tmp_path / "recipe.yaml").unlink()
        recipes, left = bundled_recipes([record])
        assert recipes == []
        assert "cannot be read" in left[0].reason

    def test_two_of_one_name(self, tmp_path: Path) -> None:
        records = [self.record(name, tmp_path / name, GOOD) for name in ("acme", "other")]
        recipes, left = bundled_recipes(records)
        assert [recipe.name for recipe in recipes] == ["fast"]
        reason = "core-plugin-other and core-plugin-acme both bring a recipe of this name"
        assert left == [("fast", reason)]
