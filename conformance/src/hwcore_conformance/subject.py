"""The plugin under test, in the process that checks run in: what it makes, loads and answers."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, NamedTuple, Self

from hwcore.artifacts import seal
from hwcore.contract import (
    Array,
    Artifact,
    Capability,
    Dataset,
    Draft,
    HwcoreError,
    LineageStep,
    Options,
    PluginError,
    Target,
    UserError,
)
from hwcore.data import visible
from hwcore.host import (
    Limits,
    LoadedModel,
    PluginHost,
    PluginRecord,
    allowed_by_environment,
    discover,
    local_cpu,
)
from hwcore_conformance.clause import NotApplicable, Untestable
from hwcore_conformance.models import MODELS, REAL
from hwcore_conformance.sources import Source, Sources
from hwcore_conformance.tolerances import REPEATED, Tolerance, difference, tolerance_for
from hwcore_conformance.watch import Seen, watching
from hwcore_conformance.ways import NoWay, Step, runners, way

STEADY_CASE, STEADY_CALLS = 1, 4
"""Three rows; asked so often, one after the other."""
CALL_SECONDS = 180.0
"""Longest that one call of a plugin may take."""

Door = Literal["in-process", "worker"]


class Answers(NamedTuple):
    """What a loaded model gives for the cases of its source, padded rows, and rows of data."""

    cases: tuple[dict[str, Array], ...]
    padded: dict[str, Array] | None
    rows: tuple[dict[str, Array], ...]


@dataclass(frozen=True)
class Settings:
    """What a run of the suite is made with; crosses into the process of the checks as JSON."""

    plugin: str
    workspace: Path
    """A folder that everything is written below."""
    models: Path
    """Where the models of this seed are kept."""
    seed: int = 0
    families: tuple[str, ...] = ()
    """The only architectures to try; all, when empty."""


class Subject:
    """One plugin, as installed here; see the methods for what checks are given.

    What is made is made once: checks share artifacts, models and answers.
    """

    def __init__(self, settings: Settings, beat: Callable[[str], None] = lambda what: None) -> None:
        """``beat`` is told what the plugin is asked next. Raises `UserError` for no such plugin."""
        self.discovery = discover(allow=allowed_by_environment())
        self.record: PluginRecord = self.discovery.record(settings.plugin)
        self.name = settings.plugin
        self.seed = settings.seed
        self.workspace = settings.workspace
        self._families = settings.families
        self._sources = Sources(
            settings.workspace / "sources", settings.models, settings.seed, beat=beat
        )
        self._beat = beat
        self._cpu = Target.of(local_cpu())
        self._hosts: dict[Door, PluginHost] = {}
        self._made: dict[tuple[str, ...], Artifact | HwcoreError] = {}
        self._loaded: dict[tuple[str, ...], LoadedModel] = {}
        self._answers: dict[tuple[str, ...], Answers] = {}
        self._kept: dict[tuple[Any, ...], Any] = {}
        self._first: dict[tuple[str, str], Seen] = {}
        self._folders = 0
        self.given: list[Path] = []
        """Folders that were handed out, to plugins above all."""

    @property
    def rows(self) -> tuple[Capability, ...]:
        """Capabilities of its manifest."""
        return self.record.capabilities

    def target(self, row: Capability) -> Target | None:
        """A target here that the capability is for: this CPU, or a device that the plugin names.

        ``None`` where there is none. Raises what the plugin raises when it is asked for devices.
        """
        if any(need.mismatch(self._cpu) is None for need in row.targets):
            return self._cpu
        if self.record.manifest is None or not self.record.manifest.devices:
            return None
        for device in self.kept(("devices",), lambda: self.host().devices()):
            target = Target.of(device)
            if any(need.mismatch(target) is None for need in row.targets):
                return target
        return None

    def host(self, door: Door = "in-process") -> PluginHost:
        """A host with every installed plugin in it."""
        if door not in self._hosts:
            limits = Limits(seconds=CALL_SECONDS) if door == "worker" else None
            self._hosts[door] = PluginHost(self.discovery, door=door, limits=limits)
        return self._hosts[door]

    def folder(self, name: str) -> Path:
        """A fresh empty folder."""
        self._folders += 1
        made = self.workspace / "work" / f"{self._folders:04}-{name}"
        made.mkdir(parents=True)
        self.given.append(made)
        return made

    def kept(self, key: tuple[Any, ...], make: Callable[[], Any]) -> Any:
        """What ``make`` gives, asked once for each key; what it raises is raised again."""
        if key not in self._kept:
            try:
                self._kept[key] = None, make()
            except Exception as error:
                self._kept[key] = error, None
        problem, value = self._kept[key]
        if problem is not None:
            raise problem
        return value

    def copy_of(self, source: Source, name: str) -> Source:
        """A copy of a model's folder that no other check looks at."""
        self._folders += 1
        return self._sources.copy(source.model, f"{self._folders:04}-{name}")

    def data(self, source: Source, which: int = 0) -> Dataset | None:
        """What a plugin sees of the made-up rows for a model."""

        def read() -> Dataset | None:
            data = self._sources.data(source, which)
            return visible(data) if data is not None else None

        found: Dataset | None = self.kept(("data", str(source.artifact.path), which), read)
        return found

    def candidates(self, row: Capability | None = None) -> list[Source]:
        """A model of every architecture, with a task that the capability is for."""
        tasks = row.tasks if row is not None else ()
        return [
            self._sources.source(model)
            for model in MODELS
            if (not tasks or model.task in tasks)
            and (not self._families or model.family in self._families)
        ]

    def real(self, row: Capability) -> Source | None:
        """The real model; ``None`` where the row is not for its task, or the run not for it.

        Raises `Untestable` where it is not installed.
        """
        wanted = not self._families or REAL.family in self._families
        if not wanted or (row.tasks and REAL.task not in row.tasks):
            return None
        return self._sources.source(REAL)

    def sources(self, row: Capability) -> list[Source]:
        """The candidates that get as far as the capability.

        Those are left out that no step takes, that a step refuses as not supported, or fails on:
        ART-001 is about the last. Raises `Untestable` when that leaves none; `NotApplicable` when
        none of the architectures that were asked for leads to it.
        """
        found, reason, refused = [], "no model has a task that it is for", False
        for source in self.candidates(row):
            try:
                self.taken(row, source)
            except NoWay as error:
                reason = str(error)
            except UserError as error:
                reason, refused = f"every model is refused on the way to it: {error}", True
            except Untestable as error:
                reason, refused = str(error), True
            else:
                found.append(source)
        if not found and self._families and not refused:
            raise NotApplicable(f"of the models that were asked for: {reason}")
        if not found:
            raise Untestable(reason)
        return found

    def works_on(self, row: Capability) -> list[Source]:
        """The sources that a capability makes an artifact of. Raises `Untestable` without any."""
        found, reason = [], ""
        for source in self.sources(row):
            try:
                self.made(row, source)
            except HwcoreError as error:
                reason = f"{source.model.name}: {error}"
            else:
                found.append(source)
        if not found:
            raise Untestable(f"it makes nothing of any model: {reason}")
        return found

    def one(self, row: Capability) -> Source:
        """The first model that it works on, or loads."""
        return (self.sources(row) if row.hook == "run" else self.works_on(row))[0]

    def way(
        self,
        row: Capability,
        source: Source,
        *,
        through: str | None = None,
        without: Collection[Step] = (),
    ) -> tuple[Step, ...]:
        """The steps from a model to what the capability takes. Raises `NoWay`."""
        return way(
            self.name,
            row,
            source.artifact,
            discovery=self.discovery,
            target=self._needed(row),
            data=self.data(source),
            through=through,
            without=without,
        )

    def taken(self, row: Capability, source: Source) -> Artifact:
        """The artifact that the capability is given for a model.

        Raises `UserError` where a step before it refuses the model, `Untestable` where one fails.
        """
        return self._follow(self.way(row, source), row, source)

    def sparse(self, row: Capability, source: Source) -> Artifact:
        """The same with zeros in it. A step that sparsifies may take parts out instead.

        Raises `NoWay` where no step puts zeros into what the capability takes.
        """
        without: set[Step] = set()
        while True:
            steps = self.way(row, source, through="sparsify", without=without)
            artifact = self._follow(steps, row, source)
            if artifact.traits.sparsity is not None:
                return artifact
            without |= {step for step in steps if step.row.hook == "sparsify"}

    def _follow(self, steps: Sequence[Step], row: Capability, source: Source) -> Artifact:
        artifact = source.artifact
        for step in steps:
            try:
                artifact = self.step(step, artifact, source, self._needed(row))
            except UserError:
                raise
            except HwcoreError as error:
                raise Untestable(f"what it takes cannot be made: {error}") from error
        return artifact

    def made(self, row: Capability, source: Source) -> Artifact:
        """What the capability makes of a model, once. Raises what the plugin raises."""
        return self.step_on(row, self.taken(row, source), source)

    def step_on(self, row: Capability, artifact: Artifact, source: Source) -> Artifact:
        """What the capability makes of an artifact, once. Raises what the plugin raises."""
        return self.step(Step(self.name, row), artifact, source, self._needed(row))

    def step(self, step: Step, artifact: Artifact, source: Source, target: Target) -> Artifact:
        """What one step makes of an artifact, once. Raises what the plugin raises."""
        key = step.plugin, step.row.id, artifact.digest, str(artifact.root), target.fingerprint
        if key not in self._made:
            try:
                self._made[key] = self.again(step, artifact, source, target)
            except HwcoreError as error:
                self._made[key] = error
        found = self._made[key]
        if isinstance(found, HwcoreError):
            raise found
        return found

    def again(
        self,
        step: Step,
        artifact: Artifact,
        source: Source,
        target: Target,
        *,
        options: Options | None = None,
        data: Dataset | None = None,
        out: Path | None = None,
        door: Door = "in-process",
    ) -> Artifact:
        """Run one step now, and seal what it made. Raises what the plugin raises."""
        row = step.row
        assert row.hook != "run"  # noqa: S101 - a run row makes nothing
        if row.data is not None and data is None:
            data = self.data(source)
        work = self.folder(f"{step.plugin}-{row.id}") if out is None else out
        self._beat(f"{row.hook} {row.id} of {step.plugin} on {source.model.name}")
        with self._watched(step, door):
            draft = self.host(door).call(
                row.hook,
                step.plugin,
                source=artifact,
                capability=row.id,
                options=options or {},
                data=data if row.data is not None else None,
                target=target,
                reference=source.artifact,
                out=work,
                seed=self.seed,
            )
        return self.sealed(step, draft, artifact, work, target, data)

    def sealed(
        self,
        step: Step,
        draft: Draft,
        parent: Artifact,
        out: Path,
        target: Target,
        data: Dataset | None = None,
    ) -> Artifact:
        """An artifact of what a step has written. Raises `PluginError` that names the step."""
        record, hook = self.discovery.record(step.plugin), step.row.hook
        lineage = LineageStep(
            hook=hook,
            plugin=step.plugin,
            version=record.version,
            capability=step.row.id,
            target=target.fingerprint,
            seed=self.seed,
            dataset=data.digest if data is not None else None,
            parent=parent.digest,
            libraries=record.library_versions(),
        )
        try:
            return seal(out, draft, parent, lineage)
        except PluginError as error:
            named = {"plugin": step.plugin, "version": record.version, "hook": hook}
            raise PluginError(error.reason, **named, hint=error.hint) from error

    def first(self, row: Capability) -> Seen:
        """What its first call in this process did beside its work, files left out.

        Libraries are imported in it, and pools and servers started that later calls use.
        """
        return self._first.get((self.name, row.id), Seen())

    def judge(self, row: Capability, artifact: Artifact) -> Step:
        """The runner that says what an artifact computes. Raises `Untestable` without one."""
        target = self._needed(row)
        found = runners(artifact, plugin=self.name, discovery=self.discovery, target=target)
        if not found:
            raise Untestable(f"no installed plugin runs {artifact.format} on this target")
        return found[0]

    def reference(self, row: Capability, artifact: Artifact) -> Step | None:
        """The runner that a run capability is held to: a reference row that is not itself."""
        step = self.judge(row, artifact)
        itself = step == Step(self.name, row)
        return step if step.row.reference and not itself else None

    def model(self, step: Step, artifact: Artifact, target: Target | None = None) -> LoadedModel:
        """A loaded model, shared by checks. Raises what the plugin raises."""
        key = step.plugin, step.row.id, artifact.digest, str(artifact.root)
        if key not in self._loaded:
            self._loaded[key] = self._open(step, artifact, target)
        return self._loaded[key]

    @contextmanager
    def open(
        self,
        row: Capability,
        artifact: Artifact,
        *,
        options: Options | None = None,
        door: Door = "in-process",
    ) -> Iterator[LoadedModel]:
        """A model of one's own, loaded by the plugin. Raises what the plugin raises."""
        step = Step(self.name, row)
        with self._open(step, artifact, options=options, door=door) as model:
            yield model

    @contextmanager
    def worker(self, step: Step, artifact: Artifact) -> Iterator[LoadedModel]:
        """A model loaded in a worker of its own. Raises what the plugin raises."""
        with self._open(step, artifact, door="worker") as model:
            yield model

    def answers(self, step: Step, artifact: Artifact, source: Source) -> Answers:
        """What the shared model gives for a source's inputs, asked once.

        Raises what the plugin raises.
        """
        key = step.plugin, step.row.id, artifact.digest, str(artifact.root)
        if key not in self._answers:
            model = self.model(step, artifact)
            self._beat(f"{step.row.id} of {step.plugin} answers for {source.model.name}")
            padded = source.padded
            self._answers[key] = Answers(
                tuple(copies(model(copies(case.inputs))) for case in source.cases),
                copies(model(copies(padded.inputs))) if padded is not None else None,
                tuple(copies(model(copies(row.inputs))) for row in source.rows),
            )
        return self._answers[key]

    def steadiness(self, step: Step, artifact: Artifact, source: Source) -> Tolerance:
        """How far two answers to one question may differ, by what they do when nothing else is on.

        An engine that sums in an order of its own, as with atomics, differs a little each time: a
        few times that much is its own. Never more than between two artifacts.
        """

        def measure() -> Tolerance:
            inputs = source.cases[STEADY_CASE].inputs
            model = self.model(step, artifact)
            first, *others = (copies(model(copies(inputs))) for _ in range(STEADY_CALLS))
            found = [difference(first[name], other[name]) for other in others for name in first]
            most = tolerance_for(artifact, lossless=step.row.lossless)
            return Tolerance(
                min(max(REPEATED.max_error, 4 * max(d.max_error for d in found)), most.max_error),
                min(max(REPEATED.rms_error, 4 * max(d.rms_error for d in found)), most.rms_error),
                "measured: four times what repeated calls differ by",
            )

        key = "steadiness", step.plugin, step.row.id, artifact.digest, str(artifact.root)
        found: Tolerance = self.kept(key, measure)
        return found

    def beat(self, what: str) -> None:
        """Say that a check goes on: one that is silent for long is taken for hung."""
        self._beat(what)

    def forget_models(self) -> None:
        """Close loaded models, and forget what they answered."""
        for model in self._loaded.values():
            model.close()
        self._loaded.clear()
        self._answers.clear()

    def close(self) -> None:
        """End all workers."""
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

    def _open(
        self,
        step: Step,
        artifact: Artifact,
        target: Target | None = None,
        *,
        options: Options | None = None,
        door: Door = "in-process",
    ) -> LoadedModel:
        self._beat(f"run {step.row.id} of {step.plugin} loads {artifact.format}")
        needed = target or self._needed(step.row)
        with self._watched(step, door):
            return self.host(door).run(
                step.plugin,
                artifact,
                capability=step.row.id,
                options=options or {},
                target=needed,
            )

    @contextmanager
    def _watched(self, step: Step, door: Door) -> Iterator[None]:
        """Look at the first call of a capability that is made here."""
        key = step.plugin, step.row.id
        if door == "worker" or key in self._first:
            yield
            return
        with watching([], []) as seen:
            self._first[key] = seen
            yield

    def _needed(self, row: Capability) -> Target:
        """The target that checks of a capability are for. Raises `Untestable` without one."""
        target = self.target(row)
        if target is None:
            raise Untestable("the hardware that it needs is not here")
        return target


def copies(arrays: dict[str, Array]) -> dict[str, Array]:
    """Inputs for one call, or what it gave: a plugin could write to what others compare with."""
    return {name: array.copy() for name, array in arrays.items()}


def contents(folder: Path) -> dict[str, str]:
    """sha256 of every file below a folder, by its path in it."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def names_of(values: Sequence[object]) -> str:
    """A listing for messages."""
    return ", ".join(map(str, values)) or "none"
