"""The plugin under test, the ways to its capabilities, and what it makes and loads."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Literal, NamedTuple, Self

from hwcore.artifacts import seal
from hwcore.contract import (
    Array,
    Artifact,
    Capability,
    HwcoreError,
    LineageStep,
    PluginError,
    Target,
    UserError,
    WorkHook,
)
from hwcore.data import visible
from hwcore.host import (
    Limits,
    LoadedModel,
    PluginHost,
    PluginRecord,
    discover,
    local_cpu,
    missing_requirements,
)
from hwcore.pipeline import Stage, after, mismatch, stage_of
from hwcore_conformance.clause import Untestable
from hwcore_conformance.models import MODELS
from hwcore_conformance.sources import Source, Sources

CALL_SECONDS = 180.0
"""Longest that one call of a plugin may take."""
MAX_STEPS = 4
"""Longest way from a transformers model to what a capability takes."""


class NoWay(Untestable):
    """No steps lead from a model to what a capability takes."""


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
        self.target = Target.of(local_cpu())
        self._sources = Sources(workspace / "sources", models or workspace / "models", seed)
        self._hosts: dict[str, PluginHost] = {}
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
            self._sources.source(model)
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

    def way(self, row: Capability, source: Source) -> tuple[Step, ...]:
        """The steps from a model to what the capability takes: as lossless and own as can be.

        Raises `NoWay` where the installed plugins give none.
        """
        reason = "no installed plugin makes what it takes"
        needed = any(row.data for record in self.discovery.usable for row in record.capabilities)
        data = self._sources.data(source) if needed and source.model.modality == "text" else None
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
                found = self._call(step, artifact, source)
            except HwcoreError as error:
                found = error
            self._made[key] = found
        if isinstance(found, HwcoreError):
            raise found
        return found

    def _call(
        self,
        step: Step,
        artifact: Artifact,
        source: Source,
    ) -> Artifact:
        """Run one step now, and seal what it made. Raises what the plugin raises."""
        row = step.row
        if row.hook == "run":
            raise ValueError("a run row makes nothing")
        hook: WorkHook = row.hook
        record = self.discovery.record(step.plugin)
        data = visible(self._sources.data(source)) if row.data is not None else None
        work = self.folder(f"{step.plugin}-{row.id}")
        draft = self.host().call(
            hook,
            step.plugin,
            source=artifact,
            capability=row.id,
            options={},
            data=data,
            target=self.target,
            reference=source.artifact,
            out=work,
            seed=self.seed,
        )
        lineage = LineageStep(
            hook=hook,
            plugin=step.plugin,
            version=record.version,
            capability=row.id,
            target=self.target.fingerprint,
            seed=self.seed,
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


def _lacks_extra(record: PluginRecord, row: Capability) -> bool:
    try:
        return row.extra is not None and bool(missing_requirements(record, row.extra))
    except PluginError:  # there is no such extra: a clause of its own says so
        return True


def names_of(values: Sequence[object]) -> str:
    """A listing for messages."""
    return ", ".join(map(str, values)) or "none"
