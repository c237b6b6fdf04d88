"""From the name of a plugin to its profile."""

from __future__ import annotations

import datetime
import os
import platform
import shutil
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from hwcore.contract import Target, UserError
from hwcore.host import PluginRecord, discover, installed_version, local_cpu
from hwcore_conformance.operators.cases import Case, LeftOut, collect, versions
from hwcore_conformance.operators.chains import Chain, chains
from hwcore_conformance.operators.child import Job
from hwcore_conformance.operators.direct import ENGINES
from hwcore_conformance.operators.folder import store
from hwcore_conformance.operators.profile import (
    CaseResult,
    ChainSummary,
    Profile,
    Result,
    State,
    differing,
    totals,
)
from hwcore_conformance.operators.running import results

UNIT_SECONDS = 30.0
"""Longest that one case may take on one way."""
DIRECTLY = -1
"""Stands where a unit has the place of its chain."""

_MEMORY = "/dev/shm"  # noqa: S108 - a fresh folder is made in it
_SCRATCH_BYTES = 256 << 20
"""Some ten times what all cases take."""

Progress = Callable[[float, str], None]
"""Told of the share that is done, and of the case in hand."""


def profile_of(
    plugin: str,
    *,
    only: str | None = None,
    compare: bool = False,
    seconds: float = UNIT_SECONDS,
    progress: Progress = lambda fraction, message: None,
) -> Profile:
    """Take ONNX's tests through a plugin, and with ``compare`` through its engine as well.

    Raises `UserError` for an unknown plugin, for one that takes no ONNX or whose engine is not
    known, for a bad ``only``, and where ``onnx`` is not installed; `PluginError` for a plugin
    that ends its process all the time.
    """
    began = time.monotonic()
    discovery = discover()
    target = Target.of(local_cpu())
    ways = chains(discovery, plugin, target)
    record = discovery.record(plugin)
    engine = _engine(record) if compare else None
    tests = collect(only)
    found: dict[tuple[str, int], Result] = {}
    with tempfile.TemporaryDirectory(prefix="hwcore-operators-", dir=_scratch()) as name:
        root, work = Path(name) / "cases", Path(name) / "work"
        work.mkdir()
        cases = [test for test in tests if isinstance(test, Case)]
        for case in cases:
            store(case, root)
        # The engine directly after the plugin, so that both see the same machine.
        order = [*range(len(ways)), *([DIRECTLY] if engine is not None else [])]
        units = tuple((case.subject.name, way) for case in cases for way in order)
        job = Job(
            cases=root,
            chains=tuple(tuple((link.plugin, link.row.id) for link in way.links) for way in ways),
            engine=engine,
            units=units,
            seconds=seconds,
        )
        environment = _environment(discovery.usable, ways)
        with closing(results(job, work, plugin, environment)) as made:
            for place, result in made:
                found[units[place]] = result
                progress((place + 1) / len(units), units[place][0])
    judged = tuple(_case_result(test, ways, engine, found) for test in tests)
    return Profile(
        made=datetime.datetime.now(datetime.UTC).date().isoformat(),
        plugin=plugin,
        plugin_version=record.version,
        versions={
            **versions(),
            "hwcore": installed_version("hwcore") or "",
            "python": platform.python_version(),
            **record.library_versions(),
        },
        target=local_cpu().name,
        only=only,
        engine=engine,
        seconds=round(time.monotonic() - began, 1),
        chains=tuple(_summary(way, judged) for way in ways),
        cases=judged,
    )


def _scratch() -> str | None:
    """Memory where there is enough of it: on a disk, most of the time is spent on waiting until
    thousands of small files are safe, and these are wanted for minutes."""
    if os.access(_MEMORY, os.W_OK) and shutil.disk_usage(_MEMORY).free > _SCRATCH_BYTES:
        return _MEMORY
    return None


def _engine(record: PluginRecord) -> str:
    libraries = record.manifest.libraries if record.manifest is not None else ()
    for name in libraries:
        if name in ENGINES:
            return name
    raise UserError(
        f"plugin {record.name} has no engine that can be asked directly",
        hint=f"Its manifest lists none of these libraries: {', '.join(ENGINES)}.",
    )


def _environment(records: tuple[PluginRecord, ...], ways: list[Chain]) -> dict[str, str]:
    """As a worker would have it: what the manifests of the plugins on the way ask for."""
    environment = {**os.environ, "DO_NOT_TRACK": "1"}
    involved = {link.plugin for way in ways for link in way.links}
    for record in records:
        if record.name in involved and record.manifest is not None:
            environment.update(record.manifest.environment)
    return environment


def _case_result(
    test: Case | LeftOut,
    ways: list[Chain],
    engine: str | None,
    found: dict[tuple[str, int], Result],
) -> CaseResult:
    name = test.subject.name

    def result(way: int) -> Result:
        if isinstance(test, LeftOut):
            return Result(state=State.NOT_EXPRESSIBLE, reason=test.limit)
        return found[name, way]

    return CaseResult(
        **test.subject._asdict(),
        results={way.name: result(place) for place, way in enumerate(ways)},
        direct=result(DIRECTLY) if engine is not None else None,
    )


def _summary(way: Chain, cases: tuple[CaseResult, ...]) -> ChainSummary:
    return ChainSummary(
        name=way.name,
        plugin_steps=tuple(f"{link.plugin}/{link.row.id}" for link in way.links),
        totals=totals([case.results[way.name] for case in cases]),
        differs=differing(cases, way.name),
    )
