"""The study: the record of many plans measured for one goal. Resumable, one JSON file on disk."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from filelock import FileLock, Timeout
from pydantic import JsonValue, ValidationError

from hwcore.artifacts.cache import STUDY_LOCK
from hwcore.artifacts.files import refuse_endless
from hwcore.artifacts.store import first_problem, write_atomic
from hwcore.contract import Device, Plan, Target, Treatment, UserError, Value
from hwcore.evaluate import Quality
from hwcore.measure import Ratio, Timing
from hwcore.pipeline import StepRecord

STUDY = "study.json"


class Mixed(Value):
    """Why a plan leaves some layers as they are."""

    of: str
    """Id of the trial whose plan lost too much."""
    max_drop: float
    """The tolerance that it was made for."""
    treatment: Treatment
    kept: tuple[str, ...]
    """Layers that are not treated, the largest error first."""
    error_share: float
    """What they make of all layers' errors."""
    time_share: float
    """What they take of a forward pass, as the original runs."""
    predicted: float
    """The bound of the drop that was to be expected."""


class Trial(Value):
    """One plan and what is known of it so far."""

    id: str
    """Digest of all that its outcome depends on: a trial with this id need not be run again."""
    plan: Plan
    baseline: bool = False
    mixed: Mixed | None = None
    """Set where the plan was proposed after another had lost too much."""
    state: Literal["planned", "built", "evaluated", "measured", "failed"] = "planned"
    error: str | None = None
    """Why it failed, in one sentence."""
    unchecked: str | None = None
    """Why it may not be recommended although it works."""
    warnings: tuple[str, ...] = ()
    steps: tuple[StepRecord, ...] = ()
    artifact: str | None = None
    """Digest of the artifact that its run step loads."""
    artifact_path: str | None = None
    size_bytes: int = 0
    quality: Quality | None = None
    load_seconds: float = 0.0
    peak_rss_bytes: int = 0
    """Of the process that loaded and ran it, library code included."""
    timings: tuple[Timing, ...] = ()
    speedups: tuple[Ratio, ...] = ()

    @property
    def latency(self) -> Timing | None:
        """The timing of the first workload, the one that decides."""
        return self.timings[0] if self.timings else None


class LeftOutRecipe(Value):
    """A recipe that did not fit, and why."""

    recipe: str
    reason: str


class Goal(Value):
    """What the user asked for."""

    max_drop: float
    batch_sizes: tuple[int, ...]
    length: int | None
    rows: int | None
    seed: int


class StudyFile(Value):
    """``study.json``."""

    schema_version: Literal[1] = 1
    hwcore_version: str
    source: dict[str, JsonValue]
    """Model: path, digest, task, parameters, revision."""
    data: dict[str, JsonValue] | None
    """Dataset: digest, rows by role, metric; ``None`` when the user gave none."""
    goal: Goal
    target: Target
    device: Device
    environment: dict[str, JsonValue]
    """Threads, Python, platform, versions of the plugins and their libraries."""
    left_out: tuple[LeftOutRecipe, ...] = ()
    trials: tuple[Trial, ...] = ()
    measured_together: tuple[str, ...] = ()
    """Ids of the trials of the last interleaved run: only their timings may be compared."""
    measured_at: str | None = None
    tokenize_ms: float | None = None
    """Median time to tokenize one text, which no trial's latency includes."""
    recommended: str | None = None
    """Id of the recommended trial."""
    verdict: str = ""
    out: str | None = None

    def trial(self, id: str) -> Trial:
        """The trial of that id; `KeyError` if there is none."""
        for trial in self.trials:
            if trial.id == id:
                return trial
        raise KeyError(id)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Make the study's folder and hold it: two programs must not write one study.

    Raises `UserError` when it cannot be made, or another program holds it.
    """
    _make(folder)
    lock = FileLock(folder / STUDY_LOCK)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise UserError(
            f"another hwcore is at work on the study {folder}",
            hint="Wait for it, or name another folder with --study.",
        ) from None
    except OSError as error:
        raise UserError(
            f"the study folder {folder} cannot be written: {error.strerror}",
            hint="Name another with --study.",
        ) from error
    try:
        yield
    finally:
        lock.release()


class Study:
    """A study's folder, and the file in it that is rewritten whenever something is learned."""

    def __init__(self, folder: Path, file: StudyFile) -> None:
        self.folder = folder
        self.file = file

    @classmethod
    def open(cls, folder: Path, fresh: StudyFile) -> Study:
        """Continue the study in ``folder``, or begin one there.

        What an earlier run learned of a trial is kept where the id is the same; what it found
        relative to another baseline is not. Raises `UserError` when the folder holds a study of
        another model or data.
        """
        _make(folder)
        if not (folder / STUDY).exists():
            return cls(folder, fresh)
        earlier = read_study(folder)
        same_model = earlier.source.get("digest") == fresh.source.get("digest")
        if not same_model or _digest(earlier) != _digest(fresh):
            what = "data" if same_model else "model"
            raise UserError(
                f"{folder} holds a study of another {what}",
                hint="Name another folder with --study, or remove this one.",
            )
        same_baseline = _baseline(earlier) == _baseline(fresh)
        known = {trial.id: trial for trial in earlier.trials}
        planned = (*fresh.trials, *_mixed(earlier, fresh))
        update = {
            "trials": tuple(
                _continued(known[trial.id], trial, same_baseline) if trial.id in known else trial
                for trial in planned
            ),
            "measured_together": earlier.measured_together,
            "measured_at": earlier.measured_at,
            "tokenize_ms": earlier.tokenize_ms,
        }
        return cls(folder, fresh.model_copy(update=update))

    def update(self, **changes: object) -> None:
        """Change fields of the file and write it."""
        self.file = self.file.model_copy(update=changes)
        self.save()

    def put(self, trial: Trial) -> None:
        """Replace the trial of that id and write the file."""
        trials = tuple(trial if old.id == trial.id else old for old in self.file.trials)
        self.update(trials=trials)

    def mix(self, variants: Sequence[Trial]) -> None:
        """Have these mixed trials, and no others, after those of the recipes."""
        plain = tuple(trial for trial in self.file.trials if trial.mixed is None)
        if (*plain, *variants) != self.file.trials:
            self.update(trials=(*plain, *variants))

    def save(self) -> None:
        """Write the file, whole or not at all. Raises `UserError` where that is impossible."""
        try:
            write_atomic(self.folder / STUDY, self.file.model_dump_json(indent=1).encode())
        except OSError as error:
            raise UserError(
                f"the study {self.folder / STUDY} cannot be written: {error.strerror}",
                hint="Name another folder with --study.",
            ) from error


def read_study(folder: Path) -> StudyFile:
    """Read a study. Raises `UserError` when it is of another version, or damaged."""
    path = folder / STUDY
    refuse_endless(path)
    try:
        return StudyFile.model_validate_json(path.read_bytes())
    except OSError as error:
        raise UserError(
            f"{path} cannot be read: {error.strerror}",
            hint="Check that it is a file that you may read.",
        ) from error
    except ValidationError as error:
        raise UserError(
            f"{path} is no study of this version: {first_problem(error)}",
            hint="Remove it, or name another folder with --study.",
        ) from None


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(
            f"the study folder {folder} cannot be made: {error.strerror}",
            hint="Name another with --study.",
        ) from error


def _baseline(study: StudyFile) -> str | None:
    return next((trial.id for trial in study.trials if trial.baseline), None)


def _continued(known: Trial, planned: Trial, same_baseline: bool) -> Trial:
    """What is known of a trial, as the plan of today calls it."""
    update: dict[str, object] = {"plan": planned.plan, "baseline": planned.baseline}
    if not same_baseline and known.state in ("evaluated", "measured"):
        update |= {"state": "built", "quality": None, "timings": (), "speedups": ()}
    return known.model_copy(update=update)


def _mixed(earlier: StudyFile, fresh: StudyFile) -> list[Trial]:
    """Mixed trials of an earlier run whose original is still there, planned for today's target."""
    ids = {trial.id for trial in fresh.trials}
    return [
        trial.model_copy(update={"plan": trial.plan.model_copy(update={"target": fresh.target})})
        for trial in earlier.trials
        if trial.mixed is not None and trial.mixed.of in ids and trial.id not in ids
    ]


def _digest(study: StudyFile) -> JsonValue:
    return study.data.get("digest") if study.data is not None else None
