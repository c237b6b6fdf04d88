"""Running a plan's steps: each once, checked, kept; a step that was finished is never run again."""

from __future__ import annotations

import errno
import shutil
import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import NamedTuple, Self

from pydantic import JsonValue

from hwcore.artifacts import Cache, read_artifact, seal, sha256_json
from hwcore.artifacts.store import CHECK, write_atomic
from hwcore.contract import (
    CONTRACT_VERSION,
    Artifact,
    Capability,
    Dataset,
    HwcoreError,
    LineageStep,
    Plan,
    PlannedStep,
    PluginError,
    Target,
    UserError,
    Value,
)
from hwcore.data import visible
from hwcore.host import LoadedModel, PluginHost
from hwcore.pipeline.checks import Check, check_lossless, check_lossy, check_signature
from hwcore.pipeline.planning import runner_for

FULL_DISK_BYTES = 1 << 20
"""Less than this left on the cache's disk means that a failure was about space."""


class DiskFull(UserError):
    """No space is left for the cache: no plan can go on."""


class StepRecord(Value):
    """What happened to one step, for the study."""

    step: PlannedStep
    key: str
    artifact: str
    """Digest of the result."""
    cached: bool
    seconds: float
    check: Check


class Executed(NamedTuple):
    """A plan's last artifact and the record of each step."""

    artifact: Artifact
    steps: tuple[StepRecord, ...]

    @property
    def unchecked(self) -> str | None:
        """Why the result may not be recommended; ``None`` when every step was checked."""
        for record in self.steps:
            if record.check.status == "unchecked":
                return f"{record.step}: {record.check.detail}"
        return None


class Pipeline:
    """Executes plans for one source, one target and at most one dataset.

    ``notify`` is told the plan and the step that begins, with its number and whether it was
    found in the cache.
    """

    def __init__(
        self,
        host: PluginHost,
        cache: Cache,
        *,
        reference: Artifact,
        target: Target,
        data: Dataset | None = None,
        notify: Callable[[Plan, PlannedStep, int, bool], None] | None = None,
    ) -> None:
        self._host = host
        self._cache = cache
        self._reference = reference
        self._target = target
        self._data = visible(data) if data is not None else None
        self._notify = notify
        self._held = ExitStack()
        self._reference_runner: LoadedModel | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Free the reference model."""
        self._held.close()
        self._reference_runner = None

    def execute(self, plan: Plan) -> Executed:
        """Run the work steps of a plan. Raises the error of the first step that fails."""
        artifact = self._reference
        records: list[StepRecord] = []
        for number, step in enumerate(plan.work):
            began = time.monotonic()
            key, cached, artifact, check = self._step(plan, step, number, artifact)
            records.append(
                StepRecord(
                    step=step,
                    key=key,
                    artifact=artifact.digest,
                    cached=cached,
                    seconds=time.monotonic() - began,
                    check=check,
                )
            )
        return Executed(artifact, tuple(records))

    def _step(
        self, plan: Plan, step: PlannedStep, number: int, source: Artifact
    ) -> tuple[str, bool, Artifact, Check]:
        record = self._host.record(step.plugin)
        assert record.manifest is not None  # noqa: S101 - a plan names usable plugins only
        row = record.manifest.capability(step.capability)
        data = self._data if row.data is not None else None
        lineage = LineageStep(
            hook=step.hook,
            plugin=step.plugin,
            version=record.version,
            capability=step.capability,
            options=step.options,
            target=self._target.fingerprint,
            seed=plan.seed,
            dataset=data.digest if data is not None else None,
            parent=source.digest,
            libraries=record.library_versions(),
        )
        key = step_key(lineage)
        with self._cache.making(key):
            found = self._cache.artifact(key)
            if self._notify is not None:
                self._notify(plan, step, number, found is not None)
            if found is not None:
                return key, True, found, _read_check(found)
            try:
                artifact, check = self._make(key, plan, step, row, lineage, source, data)
            except (HwcoreError, OSError) as error:
                raise self._explained(error) from error
            return key, False, artifact, check

    def _make(
        self,
        key: str,
        plan: Plan,
        step: PlannedStep,
        row: Capability,
        lineage: LineageStep,
        source: Artifact,
        data: Dataset | None,
    ) -> tuple[Artifact, Check]:
        with self._cache.workspace() as work:
            draft = self._host.call(
                step.hook,
                step.plugin,
                source=source,
                capability=step.capability,
                options=step.options,
                data=data,
                target=self._target,
                reference=self._reference,
                out=work,
                seed=plan.seed,
            )
            artifact = seal(work, draft, source, lineage)
            try:
                check = self._check(plan, step, row, artifact, source)
            except PluginError as error:
                if error.plugin is not None:
                    raise
                raise PluginError(
                    error.message, plugin=step.plugin, version=lineage.version, hook=step.hook
                ) from error
            write_atomic(work / CHECK, check.model_dump_json().encode())
            final = self._cache.commit(work, "steps", key)
        return read_artifact(final), check

    def _check(
        self,
        plan: Plan,
        step: PlannedStep,
        row: Capability,
        artifact: Artifact,
        source: Artifact,
    ) -> Check:
        check_signature(artifact, source)
        prefer = (step.plugin, *((plan.run.plugin,) if plan.run else ()))
        chosen = runner_for(artifact, self._target, self._host, prefer=prefer)
        if chosen is None:
            return Check(
                status="unchecked",
                detail=f"no installed plugin can run {artifact.format} losslessly here",
            )
        with self._load(chosen, artifact) as child:
            if not row.lossless:
                return check_lossy(child, artifact)
            parent = self._runner(source, prefer)
            if parent is None:
                return Check(
                    status="unchecked",
                    detail=f"no installed plugin can run {source.format} to compare with",
                )
            try:
                return check_lossless(child, parent, artifact, source)
            finally:
                if parent is not self._reference_runner:
                    parent.close()

    def _runner(self, artifact: Artifact, prefer: tuple[str, ...]) -> LoadedModel | None:
        """A runner to compare with. The reference model stays loaded: every plan needs it."""
        is_reference = artifact.digest == self._reference.digest
        if is_reference and self._reference_runner is not None:
            return self._reference_runner
        chosen = runner_for(artifact, self._target, self._host, prefer=prefer)
        if chosen is None:
            return None
        loaded = self._load(chosen, artifact)
        if is_reference:
            self._reference_runner = self._held.enter_context(loaded)
        return loaded

    def _load(self, step: PlannedStep, artifact: Artifact) -> LoadedModel:
        return self._host.run(
            step.plugin,
            artifact,
            capability=step.capability,
            options=step.options,
            target=self._target,
        )

    def _explained(self, error: HwcoreError | OSError) -> HwcoreError | OSError:
        """A full disk shows as whatever the library in charge made of it: say what it was."""
        text = f"{error} {getattr(error, 'details', '') or ''}"
        full = (
            getattr(error, "errno", None) == errno.ENOSPC
            or "No space left on device" in text
            or shutil.disk_usage(self._cache.root).free < FULL_DISK_BYTES
        )
        if not full:
            return error
        return DiskFull(
            f"the disk that holds the cache {self._cache.root} is full",
            hint="Free some space, `hwcore cache prune`, or set HWCORE_CACHE to another disk.",
        )


def step_key(lineage: LineageStep) -> str:
    """The cache key of a step: everything its result depends on."""
    value: dict[str, JsonValue] = lineage.model_dump(mode="json")
    return sha256_json({**value, "contract": CONTRACT_VERSION})


def _read_check(artifact: Artifact) -> Check:
    return Check.model_validate_json((artifact.path / CHECK).read_bytes())
