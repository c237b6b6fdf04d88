"""The three things that happen to a trial: its plan is built, its answers judged, its time taken.

Each is skipped where an earlier run of the same study has done it, and written down at once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Self

import psutil

from hwcore.artifacts import Cache, DiskFull, read_artifact
from hwcore.contract import (
    Arrays,
    Artifact,
    Cancelled,
    Dataset,
    HwcoreError,
    UserError,
)
from hwcore.evaluate import Answers, answers, judge, load_answers, save_answers
from hwcore.host import LoadedModel, PluginHost
from hwcore.measure import Workload, measure, workloads
from hwcore.pipeline import Pipeline
from hwcore.workflows.reporter import Progress, Reporter, show
from hwcore.workflows.rows import judged_rows
from hwcore.workflows.study import Study, Trial
from hwcore.workflows.tokenize import tokenize_ms

REFERENCE = "reference.npz"
PROCESS_BYTES = 600 << 20
"""What a process with an engine's libraries takes before it holds a model."""
MEMORY_SHARE = 0.7
"""Of the free memory, for all models that are loaded at once."""


class Trials:
    """Works on the trials of one study."""

    def __init__(
        self,
        study: Study,
        host: PluginHost,
        cache: Cache,
        pipeline: Pipeline,
        source: Artifact,
        data: Dataset | None,
        rows: int | None,
        reporter: Reporter,
    ) -> None:
        self._study = study
        self._host = host
        self._cache = cache
        self._pipeline = pipeline
        self._source = source
        self._data = data
        self._rows = rows
        self._reporter = reporter

    def artifact(self, trial: Trial) -> Artifact:
        """The artifact that a built trial runs."""
        if trial.artifact == self._source.digest or trial.artifact_path is None:
            return self._source
        return read_artifact(Path(trial.artifact_path))

    def build(self, *, again: bool) -> None:
        """Execute the work steps of every trial that has not got its artifact yet.

        A plan that failed is left alone, unless it is to be tried ``again``.
        """
        for trial in self._study.file.trials:
            failed = trial.state == "failed"
            # A plugin that can check a result may have been installed since.
            finished = trial.unchecked is None and self._is_there(trial)
            if (failed and not again) or (not failed and finished):
                continue
            with self._attempt(trial, f"build {trial.plan.name}") as (_, warnings):
                executed = self._pipeline.execute(trial.plan)
                # What an earlier run learned still holds: the id covers all it depends on.
                state = "built" if trial.state in ("planned", "failed") else trial.state
                update = {
                    "state": state,
                    "error": None,
                    "steps": executed.steps,
                    "unchecked": executed.unchecked,
                    "artifact": executed.artifact.digest,
                    "artifact_path": str(executed.artifact.path) if executed.steps else None,
                    "size_bytes": executed.artifact.size_bytes,
                }
                self._study.put(_warned(trial, warnings).model_copy(update=update))

    def _is_there(self, trial: Trial) -> bool:
        """False when it was never made, or the cache was pruned since; if not, it is used now."""
        if trial.state == "planned":
            return False
        if not trial.steps:
            return trial.artifact == self._source.digest
        found = self._cache.artifact(trial.steps[-1].key)
        return found is not None and found.digest == trial.artifact

    def evaluate(self) -> None:
        """Judge the answers of every trial that was built."""
        if all(trial.state != "built" for trial in self._study.file.trials):
            return
        reference = self._reference()
        for trial in self._study.file.trials:
            if trial.state != "built":
                continue
            if trial.baseline:
                self._judge(trial, reference, reference)
                continue
            with self._attempt(trial, f"evaluate {trial.plan.name}") as (progress, warnings):
                with self._load(trial) as model:
                    found = self._answers(model, progress)
                self._judge(_warned(trial, warnings), found, reference)

    def _judge(self, trial: Trial, found: Answers, reference: Answers) -> None:
        metric = self._data.info.metric if self._data is not None else None
        update = {"state": "evaluated", "quality": judge(found, reference, metric)}
        self._study.put(trial.model_copy(update=update))

    def _reference(self) -> Answers:
        """The baseline's answers: computed once for a study, then read from its folder."""
        trial = self._study.file.trials[0]
        path = self._study.folder / REFERENCE
        found = load_answers(path, trial.id)
        if found is None:
            with self._attempt(trial, f"evaluate {trial.plan.name}") as (progress, warnings):
                with self._load(trial) as model:
                    found = self._answers(model, progress)
                self._study.put(_warned(trial, warnings))
            assert found is not None  # noqa: S101 - the baseline's errors are raised
            if not found.finite:
                raise UserError(
                    "the model itself gives answers that are not finite",
                    hint="Nothing can be compared with it: check its weights and the data.",
                )
            save_answers(path, trial.id, found)
        return found

    def _answers(self, model: LoadedModel, progress: Progress) -> Answers:
        data = self._data
        limit = judged_rows(data, self._rows) if data is not None else self._rows
        return answers(
            model,
            self._data,
            like=self._source.component().signature,
            limit=limit,
            progress=lambda fraction: progress(fraction, ""),
        )

    def measure(
        self, *, batch_sizes: tuple[int, ...], length: int | None, rounds: int, again: bool
    ) -> None:
        """Time all trials that were judged, interleaved with the baseline.

        Timings of different runs are never compared: when one trial is new, all are timed again.
        """
        trials = [t for t in self._study.file.trials if t.state in ("evaluated", "measured")]
        ids = tuple(trial.id for trial in trials)
        finished = all(trial.state == "measured" for trial in trials)
        if finished and ids == self._study.file.measured_together and not again:
            return
        signature = self._source.component().signature
        work = workloads(signature, self._data, batch_sizes=batch_sizes, length=length)
        groups = self._groups(trials)
        measured: dict[str, Trial] = {}
        for number, group in enumerate(groups, 1):
            part = f", part {number} of {len(groups)}" if len(groups) > 1 else ""
            for trial in self._measure_group(group, part, work, rounds):
                # The baseline is in every group; what the first one says of it is kept.
                measured.setdefault(trial.id, trial)
        self._study.update(
            trials=tuple(measured.get(t.id, t) for t in self._study.file.trials),
            measured_together=tuple(id for id in ids if id in measured),
            measured_at=datetime.now(UTC).isoformat(timespec="seconds"),
            tokenize_ms=tokenize_ms(self._source, self._data),
        )

    def _measure_group(
        self, group: list[Trial], part: str, work: Sequence[Workload], rounds: int
    ) -> list[Trial]:
        """Time the models of a group together; without those that fail at it, if any do."""
        title = f"measure {len(group)} plans, interleaved{part}"
        try:
            with self._reporter.work(title) as progress, ExitStack() as held:
                models = {t.id: held.enter_context(self._candidate(t)) for t in group}
                report = partial(_report, progress)
                found = measure(models, group[0].id, work, rounds=rounds, progress=report)
                return [
                    trial.model_copy(
                        update={
                            "state": "measured",
                            "timings": found[trial.id].timings,
                            "speedups": found[trial.id].speedups,
                            "load_seconds": models[trial.id].model.load_seconds,
                            "peak_rss_bytes": models[trial.id].model.peak_rss(),
                        }
                    )
                    for trial in group
                ]
        except _FailedWhileTimed as failure:
            if failure.trial.baseline:
                raise failure.error from None
            self._fail(failure.trial, failure.error)
            rest = [trial for trial in group if trial.id != failure.trial.id]
            return self._measure_group(rest, part, work, rounds)

    def _groups(self, trials: list[Trial]) -> list[list[Trial]]:
        """Trials that fit into memory together, the baseline first in each group."""
        baseline, others = trials[0], trials[1:]
        budget = MEMORY_SHARE * psutil.virtual_memory().available
        groups, used = [[baseline]], _footprint(baseline)
        for trial in others:
            if used + _footprint(trial) > budget and len(groups[-1]) > 1:
                groups.append([baseline])
                used = _footprint(baseline)
            groups[-1].append(trial)
            used += _footprint(trial)
        return groups

    def _load(self, trial: Trial) -> LoadedModel:
        run = trial.plan.run
        assert run is not None  # noqa: S101 - a study's plans all end in run
        return self._host.run(
            run.plugin,
            self.artifact(trial),
            capability=run.capability,
            options=run.options,
            target=trial.plan.target,
        )

    def _candidate(self, trial: Trial) -> _Candidate:
        try:
            return _Candidate(trial, self._load(trial))
        except (Cancelled, DiskFull):
            raise
        except HwcoreError as error:
            raise _FailedWhileTimed(trial, error) from error

    def _fail(self, trial: Trial, error: HwcoreError) -> None:
        self._reporter.log(f"{trial.plan.name} failed: {error.message}", "warning")
        self._study.put(trial.model_copy(update={"state": "failed", "error": error.message}))

    @contextmanager
    def _attempt(self, trial: Trial, title: str) -> Iterator[tuple[Progress, list[str]]]:
        """What goes wrong with one plan is written down; the others go on.

        The baseline must work, and no plan does without disk space.
        """
        warnings: list[str] = []
        with (
            self._reporter.work(title) as progress,
            self._host.listening(show(self._reporter, progress, warnings)),
        ):
            try:
                yield progress, warnings
            except (Cancelled, DiskFull):
                raise
            except HwcoreError as error:
                if trial.baseline:
                    raise
                self._fail(trial, error)


class _FailedWhileTimed(Exception):
    """Carries the trial whose model failed out of an interleaved run."""

    def __init__(self, trial: Trial, error: HwcoreError) -> None:
        super().__init__(error.message)
        self.trial = trial
        self.error = error


class _Candidate:
    """A loaded model that says whose it is when it fails."""

    def __init__(self, trial: Trial, model: LoadedModel) -> None:
        self.trial = trial
        self.model = model

    def time_calls(self, inputs: Sequence[Arrays], calls: int) -> list[int]:
        """See `hwcore.measure.interleaved.Timed`."""
        try:
            return self.model.time_calls(inputs, calls)
        except Cancelled:
            raise
        except HwcoreError as error:
            raise _FailedWhileTimed(self.trial, error) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.model.close()


def _warned(trial: Trial, warnings: Sequence[str]) -> Trial:
    """The trial with these warnings as well, each once."""
    together = tuple(dict.fromkeys((*trial.warnings, *warnings)))
    return trial.model_copy(update={"warnings": together})


def _report(progress: Progress, fraction: float) -> None:
    progress(fraction, "")


def _footprint(trial: Trial) -> int:
    """Rough bytes of a loaded model: its files, twice (engines repack weights), and libraries."""
    return 2 * trial.size_bytes + PROCESS_BYTES
