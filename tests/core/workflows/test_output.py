"""The output folder: whole or not there, and never somebody else's."""

from __future__ import annotations

import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import parts
import pytest

from hwcore.artifacts import read_artifact
from hwcore.contract import Artifact, Plan, PlannedStep, Recipe, Step, UserError
from hwcore.pipeline import read_recipe, write_recipe
from hwcore.workflows.output import (
    RECIPE,
    add_file,
    check_output,
    output_folder,
    recipe_of,
    run_step_of,
    write_output,
)

PLAN = Plan(
    name="fast",
    summary="Fast.",
    source="50ce",
    target=parts.CPU,
    work=(
        PlannedStep(hook="export", plugin="acme", capability="dynamo", options={"opset": 20}),
        PlannedStep(hook="quantize", plugin="other", capability="int8"),
    ),
    run=PlannedStep(hook="run", plugin="acme", capability="cpu", options={"threads": None}),
)


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def write(out: Path, content: bytes = b"weights") -> None:
    with output_folder(out) as folder:
        parts.artifact(folder, {"model.bin": content})


def fail(out: Path, error: BaseException) -> None:
    with output_folder(out) as folder:
        parts.artifact(folder, {"model.bin": b"half"})
        raise error


class TestWholeOrNotThere:
    def test_it_appears_when_the_block_ends(self, tmp_path: Path) -> None:
        out = tmp_path / "out"
        with output_folder(out) as folder:
            parts.artifact(folder)
            assert not out.exists()
        assert read_artifact(out, verify=True)
        assert names(tmp_path) == {"out"}
        assert stat.S_IMODE(out.stat().st_mode) == 0o755

    @pytest.mark.parametrize("error", [ZeroDivisionError(), KeyboardInterrupt()])
    def test_an_error_leaves_nothing(self, tmp_path: Path, error: BaseException) -> None:
        with pytest.raises(type(error)):
            fail(tmp_path / "out", error)
        assert names(tmp_path) == set()

    def test_a_disk_that_fills_up_is_named(self, tmp_path: Path) -> None:
        full = OSError(28, "No space left on device", "some/file/of/the/cache")
        with pytest.raises(UserError, match=r"/out cannot be written: No space left") as caught:
            fail(tmp_path / "out", full)
        assert caught.value.hint == "Name another folder with --out."
        assert names(tmp_path) == set()

    def test_an_error_leaves_no_parents_either(self, tmp_path: Path) -> None:
        (tmp_path / "there").mkdir()
        with pytest.raises(ZeroDivisionError):
            fail(tmp_path / "there" / "new" / "deep" / "out", ZeroDivisionError())
        assert names(tmp_path / "there") == set()

    def test_parents_are_made(self, tmp_path: Path) -> None:
        write(tmp_path / "new" / "deep" / "out")
        assert read_artifact(tmp_path / "new" / "deep" / "out")

    def test_a_relative_path(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        write(Path("out"))
        assert names(tmp_path) == {"out"}


class TestEarlierResult:
    def test_is_replaced(self, tmp_path: Path) -> None:
        write(tmp_path / "out", b"old")
        (tmp_path / "out" / "notes.txt").touch()
        write(tmp_path / "out", b"new")
        assert names(tmp_path / "out") == {"artifact.json", "model.bin"}
        assert (tmp_path / "out" / "model.bin").read_bytes() == b"new"
        assert names(tmp_path) == {"out"}

    def test_stays_when_the_new_one_fails(self, tmp_path: Path) -> None:
        write(tmp_path / "out", b"old")
        with pytest.raises(ZeroDivisionError):
            fail(tmp_path / "out", ZeroDivisionError())
        assert (tmp_path / "out" / "model.bin").read_bytes() == b"old"
        assert names(tmp_path) == {"out"}

    def test_comes_back_when_the_new_one_cannot_be_moved(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        out = tmp_path / "out"
        write(out, b"old")
        real: Callable[[Path, Path], Path] = Path.rename
        moves: list[Path] = []

        def rename(self: Path, target: Path) -> Path:
            moves.append(target)
            if len(moves) == 2:  # the old one is out of the way, the new one comes
                raise OSError(5, "Input/output error")
            return real(self, target)

        monkeypatch.setattr(Path, "rename", rename)
        with pytest.raises(UserError, match="/out cannot be written: Input/output error"):
            write(out, b"new")
        assert moves[1] == out
        assert (out / "model.bin").read_bytes() == b"old"
        assert names(tmp_path) == {"out"}

    def test_an_empty_folder_is_free(self, tmp_path: Path) -> None:
        (tmp_path / "out").mkdir()
        write(tmp_path / "out")
        assert read_artifact(tmp_path / "out")


def foreign(tmp_path: Path) -> Path:
    parts.write_files(tmp_path, {"out/thesis.tex": b"years of work"})
    return tmp_path / "out"


def file(tmp_path: Path) -> Path:
    (tmp_path / "out").touch()
    return tmp_path / "out"


def below_a_file(tmp_path: Path) -> Path:
    (tmp_path / "file").touch()
    return tmp_path / "file" / "out"


class TestRefused:
    @pytest.mark.parametrize("use", [check_output, write], ids=["check", "write"])
    @pytest.mark.parametrize(
        ("make", "message", "hint"),
        [
            (
                foreign,
                "holds something that hwcore did not write",
                "Name an empty or a new folder with --out.",
            ),
            (file, "is a file", "Name a folder with --out."),
            (below_a_file, "cannot be made: Not a directory", "Name another folder with --out."),
        ],
    )
    def test_what_is_not_ours_to_replace(
        self,
        tmp_path: Path,
        make: Callable[[Path], Path],
        message: str,
        hint: str,
        use: Callable[[Path], None],
    ) -> None:
        out = make(tmp_path)
        before = {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}
        with pytest.raises(UserError) as caught:
            use(out)
        assert caught.value.message == f"{out} {message}"
        assert caught.value.hint == hint
        assert {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()} == before

    @pytest.mark.parametrize("use", [check_output, write], ids=["check", "write"])
    @pytest.mark.parametrize("out", ["out", "new/deep/out"])
    def test_a_place_that_cannot_be_written(
        self, tmp_path: Path, out: str, use: Callable[[Path], None]
    ) -> None:
        place = tmp_path / "place"
        place.mkdir()
        with parts.read_only(place), pytest.raises(UserError, match="cannot be made: ") as caught:
            use(place / out)
        assert caught.value.hint == "Name another folder with --out."
        assert names(place) == set()

    def test_checking_leaves_nothing_behind(self, tmp_path: Path) -> None:
        check_output(tmp_path / "new" / "out")
        check_output(tmp_path / "out")
        assert names(tmp_path) == set()


class TestContent:
    @pytest.fixture
    def source(self, tmp_path: Path) -> Artifact:
        files = {
            "config.json": b"{}",
            "tokenizer.json": b"tokens",
            "model.safetensors": b"weights",
            "README.md": b"words",
        }
        return parts.artifact(tmp_path / "source", files, users=tmp_path / "users")

    @pytest.fixture
    def made(self, tmp_path: Path) -> Artifact:
        return parts.artifact(tmp_path / "made", {"model.bin": b"fast", "config.json": b"mine"})

    def write(self, out: Path, *arguments: Any) -> Artifact:
        with output_folder(out) as folder:
            return write_output(folder, *arguments)

    def test_model_companions_and_recipe(
        self, tmp_path: Path, made: Artifact, source: Artifact
    ) -> None:
        out = tmp_path / "out"
        self.write(out, made, source, PLAN)
        assert names(out) == {
            "artifact.json",
            "model.bin",
            "config.json",
            "tokenizer.json",
            RECIPE,
        }
        assert read_artifact(out, verify=True).digest == made.digest
        assert (out / "config.json").read_bytes() == b"mine"
        assert (out / "tokenizer.json").read_bytes() == b"tokens"

    def test_the_users_files_are_copied_and_not_linked(
        self, tmp_path: Path, made: Artifact, source: Artifact
    ) -> None:
        out = tmp_path / "out"
        self.write(out, made, source, PLAN)
        (source.root / "tokenizer.json").write_bytes(b"changed")
        assert (out / "tokenizer.json").read_bytes() == b"tokens"

    def test_the_model_as_it_is_stands_on_its_own(self, tmp_path: Path, source: Artifact) -> None:
        out = tmp_path / "out"
        self.write(out, source, source, PLAN)
        found = read_artifact(out, verify=True)
        assert found.root == out
        assert found.digest == source.digest

    def test_a_single_step_has_no_recipe(
        self, tmp_path: Path, made: Artifact, source: Artifact
    ) -> None:
        out = tmp_path / "out"
        self.write(out, made, source, None)
        assert RECIPE not in names(out)
        assert run_step_of(out) is None
        self.write(out, made, source, PLAN.model_copy(update={"run": None}))
        assert RECIPE not in names(out)

    def test_a_finished_file_is_put_beside(self, tmp_path: Path) -> None:
        (tmp_path / "pareto.png").write_bytes(b"png")
        (tmp_path / "out").mkdir()
        add_file(tmp_path / "out", tmp_path / "pareto.png")
        add_file(tmp_path / "out", tmp_path / "gone.json")
        assert names(tmp_path / "out") == {"pareto.png"}


class TestRecipe:
    def test_leads_to_the_plan_again(self) -> None:
        recipe = recipe_of(PLAN)
        assert (recipe.name, recipe.summary) == ("fast", "Fast.")
        again = [PlannedStep(**step.model_dump()) for step in recipe.steps]
        assert again == [*PLAN.work, PLAN.run]

    def test_says_how_the_result_is_run(self, tmp_path: Path) -> None:
        (tmp_path / RECIPE).write_text(write_recipe(recipe_of(PLAN)), encoding="utf-8")
        assert read_recipe(tmp_path / RECIPE) == recipe_of(PLAN)
        assert run_step_of(tmp_path) == PLAN.run

    def test_written_by_hand_may_leave_the_capability_to_the_core(self, tmp_path: Path) -> None:
        recipe = Recipe(name="fast", steps=(Step(hook="run", plugin="acme"),))
        (tmp_path / RECIPE).write_text(write_recipe(recipe), encoding="utf-8")
        assert run_step_of(tmp_path) is None

    def test_that_is_damaged_is_told(self, tmp_path: Path) -> None:
        (tmp_path / RECIPE).write_text("name: [")
        with pytest.raises(UserError, match=r"recipe.yaml is not YAML"):
            run_step_of(tmp_path)
