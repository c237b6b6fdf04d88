"""Studies: what an earlier run learned is kept where it still holds, and nowhere else."""

from __future__ import annotations

import json
from pathlib import Path

import parts
import pytest

from hwcore.contract import UserError
from hwcore.workflows.study import STUDY, Study, read_study

BASE = parts.trial("base", speed=1.0, baseline=True)
FAST = parts.trial("fast", speed=3.0)
PLANNED = (parts.trial("base", baseline=True), parts.trial("fast"), parts.trial("other"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder of a study in which two plans were measured."""
    study = Study.open(
        tmp_path / "study",
        parts.study(
            BASE,
            FAST,
            measured_together=("id-base", "id-fast"),
            measured_at="2026-11-20T10:00:00+00:00",
            tokenize_ms=0.5,
            recommended="id-fast",
            verdict="fast is fast",
        ),
    )
    study.save()
    return tmp_path / "study"


class TestOpen:
    def test_a_new_one_begins_where_there_is_none(self, tmp_path: Path) -> None:
        fresh = parts.study(*PLANNED)
        study = Study.open(tmp_path / "deep" / "study", fresh)
        assert study.file == fresh
        assert list((tmp_path / "deep" / "study").iterdir()) == []  # nothing learned, nothing kept

    def test_known_trials_are_kept_and_new_ones_added(self, folder: Path) -> None:
        study = Study.open(folder, parts.study(*PLANNED))
        assert study.file.trials == (BASE, FAST, PLANNED[2])
        assert study.file.measured_together == ("id-base", "id-fast")
        assert study.file.measured_at == "2026-11-20T10:00:00+00:00"
        assert study.file.tokenize_ms == 0.5

    def test_conclusions_are_drawn_anew(self, folder: Path) -> None:
        goal = parts.study().goal.model_copy(update={"max_drop": 0.5})
        study = Study.open(folder, parts.study(*PLANNED, goal=goal))
        assert study.file.goal.max_drop == 0.5
        assert (study.file.recommended, study.file.verdict) == (None, "")

    def test_a_trial_of_another_id_is_forgotten(self, folder: Path) -> None:
        newer = parts.trial("fast", id="id-fast-with-new-libraries")
        study = Study.open(folder, parts.study(PLANNED[0], newer))
        assert study.file.trials == (BASE, newer)

    def test_a_plan_is_told_in_its_new_words(self, folder: Path) -> None:
        renamed = PLANNED[1].plan.model_copy(update={"summary": "Faster words."})
        fresh = parts.study(PLANNED[0], PLANNED[1].model_copy(update={"plan": renamed}))
        found = Study.open(folder, fresh).file.trial("id-fast")
        assert found.plan == renamed
        assert found.quality == FAST.quality

    def test_what_was_judged_by_another_baseline_is_judged_again(self, folder: Path) -> None:
        """Quality and speed are relative to the baseline; the artifact is not."""
        fresh = parts.study(
            parts.trial("fast", baseline=True), parts.trial("base"), parts.trial("other")
        )
        fast, base, _ = Study.open(folder, fresh).file.trials
        assert (fast.baseline, base.baseline) == (True, False)
        for trial in (fast, base):
            assert trial.state == "built"
            assert trial.quality is None
            assert trial.timings == ()
            assert trial.speedups == ()

    def test_a_failure_outlives_another_baseline(self, folder: Path) -> None:
        study = Study.open(folder, parts.study(*PLANNED))
        study.put(PLANNED[2].model_copy(update={"state": "failed", "error": "it broke"}))
        fresh = parts.study(parts.trial("new", baseline=True), parts.trial("other"))
        failed = Study.open(folder, fresh).file.trial("id-other")
        assert (failed.state, failed.error) == ("failed", "it broke")

    @pytest.mark.parametrize(
        ("change", "what"),
        [
            ({"source": {"model": "other", "digest": "beef"}}, "model"),
            ({"data": {"digest": "beef"}}, "data"),
            ({"data": None}, "data"),
        ],
    )
    def test_a_study_of_something_else_is_left_alone(
        self, folder: Path, change: dict[str, object], what: str
    ) -> None:
        before = (folder / STUDY).read_bytes()
        with pytest.raises(UserError) as caught:
            Study.open(folder, parts.study(*PLANNED, **change))
        assert caught.value.message == f"{folder} holds a study of another {what}"
        assert caught.value.hint == "Name another folder with --study, or remove this one."
        assert (folder / STUDY).read_bytes() == before

    def test_the_same_model_elsewhere_is_the_same(self, folder: Path) -> None:
        moved = {"model": "/moved/mine", "digest": "50ce"}
        assert Study.open(folder, parts.study(*PLANNED, source=moved)).file.trials[1] == FAST

    def test_a_file_in_its_place(self, tmp_path: Path) -> None:
        (tmp_path / "study").touch()
        with pytest.raises(UserError, match=r"the study folder .* cannot be made: File exists"):
            Study.open(tmp_path / "study", parts.study())


class TestSave:
    def test_what_is_put_is_on_disk_at_once(self, folder: Path) -> None:
        study = Study.open(folder, parts.study(*PLANNED))
        built = PLANNED[2].model_copy(update={"state": "built", "artifact": "a27"})
        study.put(built)
        assert read_study(folder).trials == (BASE, FAST, built)
        study.update(verdict="done")
        assert read_study(folder) == study.file
        assert [path.name for path in folder.iterdir()] == [STUDY]

    def test_a_folder_that_cannot_be_written(self, folder: Path) -> None:
        study = Study.open(folder, parts.study(*PLANNED))
        before = (folder / STUDY).read_bytes()
        with (
            parts.read_only(folder),
            pytest.raises(UserError, match=r"the study .*study.json cannot be written: ") as error,
        ):
            study.save()
        assert error.value.hint == "Name another folder with --study."
        assert (folder / STUDY).read_bytes() == before

    def test_a_full_disk_keeps_the_old_study(self, tmp_path: Path) -> None:
        with parts.small_disk(tmp_path / "disk", "64k") as disk:
            study = Study.open(disk / "study", parts.study(*PLANNED))
            study.save()
            with pytest.raises(UserError, match="cannot be written: No space left on device"):
                study.update(verdict="x" * (1 << 20))
            assert read_study(disk / "study").trials == PLANNED


class TestDamage:
    @pytest.mark.parametrize(
        ("content", "problem"),
        [
            (b"", r"this version: Invalid JSON"),
            (b'{"schema_version": 1', r"this version: Invalid JSON"),
            (b"{}", r"this version: hwcore_version: Field required"),
            (b"[]", r"this version: Input should be an object"),
        ],
    )
    def test_a_damaged_study_is_no_reason_to_guess(
        self, folder: Path, content: bytes, problem: str
    ) -> None:
        (folder / STUDY).write_bytes(content)
        with pytest.raises(UserError, match=problem) as caught:
            Study.open(folder, parts.study(*PLANNED))
        assert caught.value.hint == "Remove it, or name another folder with --study."
        assert (folder / STUDY).read_bytes() == content

    def test_a_study_of_a_later_version(self, folder: Path) -> None:
        value = json.loads((folder / STUDY).read_text())
        (folder / STUDY).write_text(json.dumps(value | {"schema_version": 2}))
        with pytest.raises(UserError, match="is no study of this version: schema_version: Input"):
            read_study(folder)

    def test_no_study_at_all(self, tmp_path: Path) -> None:
        with pytest.raises(UserError, match=r"study.json cannot be read: No such file"):
            read_study(tmp_path)


def test_trials_are_found_by_id() -> None:
    study = parts.study(BASE, FAST)
    assert study.trial("id-fast") == FAST
    with pytest.raises(KeyError, match="id-gone"):
        study.trial("id-gone")


def test_the_first_workload_decides() -> None:
    several = (parts.timing(batch=1), parts.timing(batch=8))
    assert parts.trial("x", timings=several).latency == several[0]
    assert parts.trial("x").latency is None
