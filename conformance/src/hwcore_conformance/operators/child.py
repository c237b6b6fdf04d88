"""The process in which a plugin is asked: one case after the other, until there are no more.

It is started with the file of a `Job` and the number of an open pipe, and writes a line of JSON
to the pipe when it is ready, and when a unit of work begins and ends. A plugin that ends the
process, or hangs, ends this one: the parent sees in which unit.
"""

from __future__ import annotations

import faulthandler
import json
import os
import shutil
import sys
import tempfile
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, TextIO

from hwcore.artifacts import seal
from hwcore.contract import (
    Array,
    Artifact,
    Draft,
    HwcoreError,
    LineageStep,
    PluginError,
    Target,
    Value,
    WorkHook,
)
from hwcore.host import Limits, PluginHost, discover, local_cpu
from hwcore.pipeline import mismatch, stage_of
from hwcore_conformance.operators.compare import difference
from hwcore_conformance.operators.direct import ENGINES
from hwcore_conformance.operators.folder import TASK, Stored, read
from hwcore_conformance.operators.profile import Result, State

START_SECONDS = 60.0
"""What the first unit may take longer: the plugin and its libraries are imported in it."""
_MAX_REASON = 500
_THREADS = 1
"""The tests are small, and sums in one order on every machine."""
_STDERR = 2


class Job(Value):
    """What to do. A unit is the name of a case, and the place of a chain, -1 for the engine."""

    cases: Path
    chains: tuple[tuple[tuple[str, str], ...], ...]
    """Plugin and capability of each link."""
    engine: str | None
    units: tuple[tuple[str, int], ...]
    seconds: float
    """Longest that a unit may take, see `START_SECONDS`."""


class Refused(Exception):
    """The plugin made no loaded model of it."""


class Asking:
    """Takes stored cases through chains, in this process."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._host = PluginHost(discover(), door="in-process", limits=Limits(threads=_THREADS))
        self._target = Target.of(local_cpu())
        self._engine = ENGINES[job.engine] if job.engine is not None else None

    def result(self, case: str, chain: int) -> Result:
        """How a case ends."""
        stored = read(case, self._job.cases)
        work = Path(tempfile.mkdtemp(dir=Path.cwd()))
        try:
            return self._directly(stored) if chain < 0 else self._through(stored, chain, work)
        finally:
            shutil.rmtree(work)

    def _through(self, stored: Stored, place: int, work: Path) -> Result:
        *steps, last = self._job.chains[place]
        artifact = stored.artifact
        try:
            for number, (plugin, capability) in enumerate(steps):
                artifact = self._step(plugin, capability, artifact, stored, work / str(number))
            self._check("run", *last, artifact)
            plugin, capability = last
            model = self._host.run(
                plugin, artifact, capability=capability, options={}, target=self._target
            )
        except Refused as refusal:
            return Result(state=State.UNSUPPORTED, reason=str(refusal))
        except HwcoreError as error:
            return Result(state=State.UNSUPPORTED, reason=_text(error, stored))
        try:
            with model:
                return _judged(stored, model)
        except HwcoreError as error:
            return Result(state=State.RAISED, reason=_text(error, stored))

    def _directly(self, stored: Stored) -> Result:
        assert self._engine is not None  # noqa: S101 - units with -1 come with an engine
        try:
            answer = self._engine(stored.artifact.component_file(), _THREADS)
        except Exception as error:  # an engine's own
            return Result(state=State.UNSUPPORTED, reason=_text(error, stored))
        names = [spec.name for spec in stored.artifact.component().signature.outputs]
        try:
            return _judged(stored, lambda inputs: dict(zip(names, answer(inputs), strict=True)))
        except Exception as error:
            return Result(state=State.RAISED, reason=_text(error, stored))

    def _step(
        self, plugin: str, capability: str, source: Artifact, stored: Stored, out: Path
    ) -> Artifact:
        """One work step, sealed. Raises `Refused`, and what the plugin raises."""
        hook = self._check(None, plugin, capability, source)
        out.mkdir()
        draft: Draft = self._host.call(
            hook,
            plugin,
            source=source,
            capability=capability,
            options={},
            data=None,
            target=self._target,
            reference=stored.artifact,
            out=out,
        )
        record = self._host.record(plugin)
        lineage = LineageStep(
            hook=hook,
            plugin=plugin,
            version=record.version,
            capability=capability,
            target=self._target.fingerprint,
            parent=source.digest,
        )
        return seal(out, draft, source, lineage)

    def _check(
        self, hook: str | None, plugin: str, capability: str, artifact: Artifact
    ) -> WorkHook:
        """The capability's hook. Raises `Refused` where the manifest does not take the artifact."""
        row = self._host.record(plugin).capability(capability, hook)
        task = row.tasks[0] if row.tasks else TASK
        reason = mismatch(row, stage_of(artifact), task=task, target=self._target, data=None)
        if reason is not None:
            raise Refused(f"by its manifest, {plugin}/{capability} {reason}")
        return row.hook


def _judged(stored: Stored, model: Callable[[dict[str, Array]], dict[str, Array]]) -> Result:
    for call in stored.calls:
        wrong = difference(call.outputs, model(call.inputs), stored.rtol, stored.atol)
        if wrong is not None:
            return Result(state=State.FAILED, reason=wrong)
    return Result(state=State.PASSED)


def _text(error: Exception, stored: Stored) -> str:
    """An error's own words in one line, without the folders of this run."""
    # The host makes a sentence of the first line; a library's often says where, and not what.
    said = error.__cause__ if isinstance(error, PluginError) and error.__cause__ else error
    if isinstance(said, PluginError):
        text = said.reason
    else:
        text = str(said) if isinstance(said, HwcoreError) else f"{type(said).__name__}: {said}"
    for folder in (stored.artifact.path, Path.cwd()):
        text = text.replace(f"{folder}{os.sep}", "")
    text = " ".join(text.split())
    return text if len(text) <= _MAX_REASON else text[: _MAX_REASON - 1] + "…"


def main() -> None:
    """Do the units of the job in order."""
    job = Job.model_validate_json(Path(sys.argv[1]).read_bytes())
    with os.fdopen(int(sys.argv[2]), "w", encoding="utf-8") as events:
        try:
            asking = Asking(job)
            _tell(events, "ready")
            for place, (case, chain) in enumerate(job.units):
                # Not the limit itself, which the parent keeps: the end where no parent is left.
                faulthandler.dump_traceback_later(START_SECONDS + 2 * job.seconds, exit=True)
                _tell(events, "begin", place, _said())
                result = asking.result(case, chain)
                _tell(events, "end", place, result.state.value, result.reason)
        except BrokenPipeError:  # the parent is gone
            os._exit(1)
        except Exception:  # a plugin's errors are results: this is the suite's own
            _tell(events, "bug", traceback.format_exc())
            raise


def _said() -> int:
    """Bytes written so far to standard output and error, which are one file."""
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    return os.lseek(_STDERR, 0, os.SEEK_CUR)


def _tell(events: TextIO, *event: Any) -> None:
    events.write(json.dumps(event) + "\n")
    events.flush()


if __name__ == "__main__":
    main()
