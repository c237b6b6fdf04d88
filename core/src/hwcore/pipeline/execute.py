"""Running a plan's steps: each once, checked, kept; a step that was finished is never run again."""

from __future__ import annotations

import errno
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, Self

from pydantic import JsonValue, ValidationError

from hwcore.artifacts import Cache, DiskFull, read_artifact, seal, sha256_json
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
    ToleranceExceeded,
    Value,
)
from hwcore.data import visible
from hwcore.host import PluginHost
from hwcore.host.faults import complete
from hwcore.host.hints import mend, off_switch
from hwcore.pipeline.checks import Check
from hwcore.pipeline.oracle import Oracle

FULL_DISK_BYTES = 1 << 20
"""Less than this left on the cache's disk means that a failure was about space."""


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

    ``source`` is what plans start from, where that is not the reference. ``notify`` is told the
    plan and the step that begins, with its number and whether it was found in the cache.
    """

    def __init__(
        self,
        host: PluginHost,
        cache: Cache,
        *,
        reference: Artifact,
        target: Target,
        source: Artifact | None = None,
        data: Dataset | None = None,
        notify: Callable[[Plan, PlannedStep, int, bool], None] | None = None,
    ) -> None:
        self._host = host
        self._cache = cache
        self._reference = reference
        self._source = reference if source is None else source
        self._target = target
        self._data = visible(data) if data is not None else None
        self._notify = notify
        self._oracle = Oracle(host, reference=reference, target=target)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Free the reference model."""
        self._oracle.close()

    def execute(self, plan: Plan) -> Executed:
        """Run the work steps of a plan. Raises the error of the first step that fails."""
        artifact = self._source
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
        key = step_key(lineage, self._reference.digest)
        with self._cache.making(key):
            found = self._found(key)
            if self._notify is not None:
                self._notify(plan, step, number, found is not None)
            if found is None:
                artifact, check = self._make(key, plan, step, row, lineage, source, data)
                return key, False, artifact, check
            artifact, check = found
            if check.status == "unchecked":
                # A plugin that can run the result may have been installed since.
                check = self._check(plan, step, row, artifact, source)
                with self._noticing_a_full_disk():
                    _write_check(artifact.path, check)
            return key, True, artifact, check

    def _found(self, key: str) -> tuple[Artifact, Check] | None:
        """The finished step of that key and its check; a damaged one is removed."""
        artifact = self._cache.artifact(key)
        if artifact is None:
            return None
        try:
            return artifact, Check.model_validate_json((artifact.path / CHECK).read_bytes())
        except (OSError, ValidationError):
            self._cache.discard("steps", key)
            return None

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
        # The disk is looked at while what has filled it is still there.
        with self._cache.workspace() as work, self._noticing_a_full_disk():
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
            with self._blamed_on(step, row, lineage.version):
                artifact = seal(work, draft, source, lineage)
            check = self._check(plan, step, row, artifact, source)
            _write_check(work, check)
            final = self._cache.commit(work, "steps", key)
        return read_artifact(final), check

    def _check(
        self, plan: Plan, step: PlannedStep, row: Capability, artifact: Artifact, source: Artifact
    ) -> Check:
        """Check a result with its maker's runner, or else with the one that the plan ends in."""
        prefer = (step.plugin, *((plan.run.plugin,) if plan.run else ()))
        with self._blamed_on(step, row, artifact.manifest.lineage[-1].version):
            return self._oracle.check(row, artifact, source, prefer=prefer)

    @contextmanager
    def _blamed_on(self, step: PlannedStep, row: Capability, version: str) -> Iterator[None]:
        """Complete errors about the files a step made: whose they are, and how to mend it."""
        try:
            yield
        except PluginError as error:
            if error.plugin is None:
                hint = mend(self._host.record(step.plugin), row, self._host.records)
                complete(error, step.plugin, version, step.hook, hint=hint)
            raise
        except ToleranceExceeded as error:
            off = off_switch(step.plugin, self._host.records)
            hint = error.hint or f"Give the step other options, or another plugin. {off}"
            raise ToleranceExceeded(f"{step}: {error.message}", hint=hint) from error

    @contextmanager
    def _noticing_a_full_disk(self) -> Iterator[None]:
        """A full disk shows as whatever the library in charge made of it: raise `DiskFull`."""
        try:
            yield
        except (HwcoreError, OSError) as error:
            text = f"{error} {getattr(error, 'details', '') or ''}"
            full = (
                getattr(error, "errno", None) == errno.ENOSPC
                or "No space left on device" in text
                or shutil.disk_usage(self._cache.root).free < FULL_DISK_BYTES
            )
            if full:
                raise DiskFull(self._cache.root, self._cache.setting) from error
            raise


def step_key(lineage: LineageStep, reference: str) -> str:
    """The cache key of a step: everything its result depends on.

    ``reference`` is the digest of the original, which a step may learn from.
    """
    value: dict[str, JsonValue] = lineage.model_dump(mode="json")
    return sha256_json({**value, "reference": reference, "contract": CONTRACT_VERSION})


def _write_check(folder: Path, check: Check) -> None:
    """Keep beside a result what was checked of it."""
    write_atomic(folder / CHECK, check.model_dump_json().encode())
