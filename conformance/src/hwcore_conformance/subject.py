"""The plugin under test, and everything that checks make with it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Literal, NamedTuple, Self

import numpy as np

from hwcore.artifacts import seal
from hwcore.contract import (
    Array,
    Artifact,
    Capability,
    Dataset,
    HwcoreError,
    LineageStep,
    PluginError,
    Target,
    UserError,
    WorkHook,
)
from hwcore.data import build_dataset, visible
from hwcore.host import (
    Event,
    Limits,
    LoadedModel,
    PluginHost,
    PluginRecord,
    discover,
    local_cpu,
    missing_requirements,
)
from hwcore.pipeline import Stage, after, mismatch, stage_of
from hwcore.transformers import read_source
from hwcore_conformance.clause import NotApplicable, Untestable
from hwcore_conformance.models import ANSWERS, MODEL, MODELS, SIZES, Model

CALL_SECONDS = 180.0
"""Longest that one call of a plugin may take."""
MAX_STEPS = 4
"""Longest way from a transformers model to what a capability takes."""
ROWS = 400
"""Rows of the made-up data."""


class NoWay(Untestable):
    """No steps lead from a model to what a capability takes."""


class Case(NamedTuple):
    """Inputs, and what transformers answers."""

    inputs: dict[str, Array]
    outputs: dict[str, Array]


class Source(NamedTuple):
    """A model as it comes from transformers, with its answers."""

    model: Model
    artifact: Artifact
    cases: tuple[Case, ...]


class Step(NamedTuple):
    """One step of the way to a capability."""

    plugin: str
    row: Capability


class Subject:
    """One plugin, as installed here; see the methods for what checks are given.

    What is made is made once: checks share artifacts, datasets and answers. Close it to end
    the plugin's processes.
    """

    def __init__(
        self,
        name: str,
        workspace: Path,
        *,
        seed: int = 0,
        families: Sequence[str] = (),
        models: Path | None = None,
        on_event: Callable[[Event], None] | None = None,
    ) -> None:
        """``workspace`` is an empty folder that everything is written to.

        ``families`` names the only architectures to try, all by default. ``models`` is where
        the models of this seed are kept, made there if they are not: by default in the workspace.
        Raises `UserError` when there is no such plugin.
        """
        self.discovery = discover()
        self.record: PluginRecord = self.discovery.record(name)
        self.workspace = workspace
        self.seed = seed
        self.families = tuple(families)
        self.events: list[Event] = []
        self.target = Target.of(local_cpu())
        self._on_event = on_event
        self._models = models or workspace / "models"
        self._hosts: dict[str, PluginHost] = {}
        self._sources: dict[str, Source] = {}
        self._data: dict[str, Dataset] = {}
        self._made: dict[tuple[str, str, str], Artifact | HwcoreError] = {}
        self._loaded: dict[tuple[str, str], LoadedModel] = {}
        self._answers: dict[tuple[str, str], tuple[dict[str, Array], ...]] = {}
        self._folders = 0

    @property
    def rows(self) -> tuple[Capability, ...]:
        """Capabilities of its manifest."""
        return self.record.capabilities

    def host(self, door: Literal["worker", "in-process"] = "worker") -> PluginHost:
        """A host with every installed plugin in it."""
        if door not in self._hosts:
            self._hosts[door] = PluginHost(
                self.discovery,
                door=door,
                limits=Limits(seconds=CALL_SECONDS) if door == "worker" else None,
                on_event=self._note,
            )
        return self._hosts[door]

    def folder(self, name: str) -> Path:
        """A fresh empty folder."""
        self._folders += 1
        made = self.workspace / "work" / f"{self._folders:04}-{name}"
        made.mkdir(parents=True)
        return made

    def candidates(self, row: Capability) -> list[Source]:
        """A model of every architecture, with a task that the capability is for."""
        return [
            self.source(model)
            for model in MODELS
            if (not row.tasks or model.task in row.tasks)
            and (not self.families or model.family in self.families)
        ]

    def sources(self, row: Capability) -> list[Source]:
        """The candidates that get as far as the capability.

        Those are left out that no step takes, or that a step refuses as not supported. Raises
        `Untestable` when that leaves none, or a step fails in another way.
        """
        found, reason = [], "no model has a task that it is for"
        for source in self.candidates(row):
            try:
                self.taken(row, source)
            except NoWay as error:
                reason = str(error)
            except UserError as error:
                reason = f"every model is refused on the way to it: {error}"
            else:
                found.append(source)
        if not found:
            raise Untestable(reason)
        return found

    def source(self, model: Model) -> Source:
        """One model, made now if it was not before."""
        if model.name not in self._sources:
            folder = self._models / model.name
            if not (folder / ANSWERS).exists():
                self._make_models(self._models)
            artifact = read_source(folder / MODEL, into=self.folder(f"source-{model.name}"))
            self._sources[model.name] = Source(model, artifact, _cases(folder / ANSWERS))
        return self._sources[model.name]

    def data(self, source: Source) -> Dataset:
        """Made-up labelled rows for a model; the ``test`` role is not in what plugins see."""
        name = source.model.name
        if name not in self._data:
            file = self._write_rows(source)
            self._data[name] = build_dataset(
                file, source.artifact, out=self.folder(f"data-{name}"), seed=self.seed
            )
        return self._data[name]

    def way(self, row: Capability, source: Source) -> tuple[Step, ...]:
        """The steps from a model to what the capability takes: as lossless and own as can be.

        Raises `NoWay` where the installed plugins give none.
        """
        reason = "no installed plugin makes what it takes"
        needed = any(row.data for record in self.discovery.usable for row in record.capabilities)
        data = self.data(source) if needed and source.model.modality == "text" else None
        start = stage_of(source.artifact)
        ways: list[tuple[int, Stage, tuple[Step, ...]]] = [(0, start, ())]
        seen: set[Stage] = set()
        while ways:
            ways.sort(key=lambda way: way[0])
            cost, stage, steps = ways.pop(0)
            if stage in seen:
                continue
            seen.add(stage)
            found = mismatch(row, stage, task=source.artifact.task, target=self.target, data=data)
            if found is None:
                return steps
            if stage.format in {pattern.format for pattern in row.inputs}:
                reason = found
            if len(steps) == MAX_STEPS:
                continue
            for record in self.discovery.usable:
                for next_row in record.capabilities:
                    if next_row.hook == "run" or next_row.id == row.id:
                        continue
                    if mismatch(
                        next_row,
                        stage,
                        task=source.artifact.task,
                        target=self.target,
                        data=data,
                    ):
                        continue
                    if _lacks_extra(record, next_row):
                        continue
                    price = 1 + 20 * (not next_row.lossless) + 5 * (record.name != self.record.name)
                    step = Step(record.name, next_row)
                    then = after(stage, record.name, next_row, self.target)
                    ways.append((cost + price, then, (*steps, step)))
        raise NoWay(reason)

    def taken(self, row: Capability, source: Source) -> Artifact:
        """The artifact that the capability is given for a model.

        Raises `UserError` where a step before it refuses the model, `Untestable` where one fails.
        """
        artifact = source.artifact
        for step in self.way(row, source):
            try:
                artifact = self._step(step, artifact, source)
            except UserError:
                raise
            except HwcoreError as error:
                raise Untestable(f"what it takes cannot be made: {error}") from error
        return artifact

    def make(self, row: Capability, source: Source) -> Artifact:
        """What the capability makes of a model, once. Raises what the plugin raises."""
        return self._step(Step(self.record.name, row), self.taken(row, source), source)

    def made(self, row: Capability, source: Source) -> Artifact:
        """The same, for checks of what comes after. Raises `Untestable` where it fails."""
        try:
            return self.make(row, source)
        except HwcoreError as error:
            raise Untestable(f"{row.id} fails: {error}") from error

    def load(self, row: Capability, source: Source) -> LoadedModel:
        """A model loaded by a run capability, in a worker; shared by the checks of the row.

        Raises `Untestable` where that fails.
        """
        try:
            return self.open_shared(row, source)
        except HwcoreError as error:
            raise Untestable(f"{row.id} does not load it: {error}") from error

    def open_shared(self, row: Capability, source: Source) -> LoadedModel:
        """The same. Raises what the plugin raises."""
        key = row.id, source.model.name
        if key not in self._loaded:
            self._loaded[key] = self.open(row, self.taken(row, source))
        return self._loaded[key]

    def answers(self, row: Capability, source: Source) -> tuple[dict[str, Array], ...]:
        """What the shared model answers to each case, asked once. Raises what the plugin raises."""
        key = row.id, source.model.name
        if key not in self._answers:
            model = self.load(row, source)
            self._answers[key] = tuple(model(case.inputs) for case in source.cases)
        return self._answers[key]

    def open(
        self,
        row: Capability,
        artifact: Artifact,
        *,
        door: Literal["worker", "in-process"] = "worker",
    ) -> LoadedModel:
        """Load an artifact with a run capability. Raises what the plugin raises."""
        return self.host(door).run(
            self.record.name, artifact, capability=row.id, options={}, target=self.target
        )

    def runner(self, artifact: Artifact) -> tuple[str, Capability]:
        """Plugin and ``run`` row that take an artifact, the plugin's own first.

        Raises `NotApplicable` where no installed plugin runs it.
        """
        stage = stage_of(artifact)
        records = sorted(self.discovery.usable, key=lambda r: r.name != self.record.name)
        for record in records:
            for row in record.capabilities:
                if row.hook == "run" and not mismatch(
                    row, stage, task=artifact.task, target=self.target, data=None
                ):
                    return record.name, row
        raise NotApplicable(f"no installed plugin runs {artifact.format}")

    @contextmanager
    def running(self, artifact: Artifact) -> Iterator[LoadedModel]:
        """The artifact, loaded by whatever runs it. Raises `Untestable`, `NotApplicable`."""
        plugin, row = self.runner(artifact)
        try:
            model = self.host().run(
                plugin, artifact, capability=row.id, options={}, target=self.target
            )
        except HwcoreError as error:
            raise Untestable(f"{plugin}/{row.id} does not load it: {error}") from error
        with model:
            yield model

    def forget_models(self) -> None:
        """End the processes of loaded models."""
        for model in self._loaded.values():
            model.close()
        self._loaded.clear()
        self._answers.clear()

    def close(self) -> None:
        """End all processes."""
        self.forget_models()
        for host in self._hosts.values():
            host.close()
        self._hosts.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _step(self, step: Step, artifact: Artifact, source: Source) -> Artifact:
        key = step.plugin, step.row.id, artifact.digest
        found = self._made.get(key)
        if found is None:
            try:
                found = self.call(step, artifact, source)
            except HwcoreError as error:
                found = error
            self._made[key] = found
        if isinstance(found, HwcoreError):
            raise found
        return found

    def call(
        self,
        step: Step,
        artifact: Artifact,
        source: Source,
        *,
        out: Path | None = None,
        door: Literal["worker", "in-process"] = "worker",
        seed: int | None = None,
    ) -> Artifact:
        """Run one step now, and seal what it made. Raises what the plugin raises."""
        row = step.row
        if row.hook == "run":
            raise ValueError("a run row makes nothing")
        hook: WorkHook = row.hook
        record = self.discovery.record(step.plugin)
        seed = self.seed if seed is None else seed
        data = visible(self.data(source)) if row.data is not None else None
        work = out or self.folder(f"{step.plugin}-{row.id}")
        draft = self.host(door).call(
            hook,
            step.plugin,
            source=artifact,
            capability=row.id,
            options={},
            data=data,
            target=self.target,
            reference=source.artifact,
            out=work,
            seed=seed,
        )
        lineage = LineageStep(
            hook=hook,
            plugin=step.plugin,
            version=record.version,
            capability=row.id,
            target=self.target.fingerprint,
            seed=seed,
            dataset=data.digest if data is not None else None,
            parent=artifact.digest,
            libraries=record.library_versions(),
        )
        try:
            return seal(work, draft, artifact, lineage)
        except PluginError as error:
            raise PluginError(
                error.reason,
                plugin=step.plugin,
                version=record.version,
                hook=hook,
                hint=error.hint,
            ) from error

    def _note(self, event: Event) -> None:
        self.events.append(event)
        if self._on_event is not None:
            self._on_event(event)

    def _make_models(self, home: Path) -> None:
        missing = [m.name for m in MODELS if not (home / m.name / ANSWERS).exists()]
        done = subprocess.run(
            [sys.executable, "-m", "hwcore_conformance.making", home, str(self.seed), *missing],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
            raise Untestable(f"the models cannot be made: {last}")

    def _write_rows(self, source: Source) -> Path:
        """Sentences of the made-up tokenizer's words, and labels where the model has some."""
        rng = np.random.default_rng(self.seed)
        labelled = source.artifact.task != "feature-extraction"
        lines = ["text,label" if labelled else "text"]
        for _ in range(ROWS):
            words = rng.integers(0, 120, size=int(rng.integers(3, 40)))
            text = " ".join(f"w{word}" for word in words)
            label = ("low", "middle", "high")[int(words.sum()) % 3]
            lines.append(f"{text},{label}" if labelled else text)
        file = self.folder("rows") / "rows.csv"
        file.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return file


def _cases(file: Path) -> tuple[Case, ...]:
    with np.load(file) as stored:
        return tuple(
            Case(_named(stored, f"{case}/in/"), _named(stored, f"{case}/out/"))
            for case in range(len(SIZES))
        )


def _named(stored: np.lib.npyio.NpzFile, prefix: str) -> dict[str, Array]:
    return {name.removeprefix(prefix): stored[name] for name in stored if name.startswith(prefix)}


def _lacks_extra(record: PluginRecord, row: Capability) -> bool:
    try:
        return row.extra is not None and bool(missing_requirements(record, row.extra))
    except PluginError:  # there is no such extra: a clause of its own says so
        return True


def names_of(values: Sequence[object]) -> str:
    """A listing for messages."""
    return ", ".join(map(str, values)) or "none"
