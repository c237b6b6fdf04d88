"""How to get from a model to what a capability takes, with the plugins that are installed."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Collection
from typing import NamedTuple

from hwcore.contract import Artifact, Capability, Dataset, PluginError, Target
from hwcore.host import Discovery, PluginRecord, missing_requirements
from hwcore.pipeline import Stage, after, mismatch, stage_of
from hwcore_conformance.clause import Untestable

MAX_STEPS = 4
"""Longest way from a transformers model to what a capability takes."""
LOSSY, FOREIGN = 20, 5
"""What a step costs beside 1: a way is as lossless and as much the plugin's own as can be."""


class NoWay(Untestable):
    """No steps lead from a model to what a capability takes."""


class Step(NamedTuple):
    """One capability of one plugin."""

    plugin: str
    row: Capability


def way(
    plugin: str,
    row: Capability,
    artifact: Artifact,
    *,
    discovery: Discovery,
    target: Target,
    data: Dataset | None,
    through: str | None = None,
    without: Collection[Step] = (),
) -> tuple[Step, ...]:
    """The cheapest steps from a model to what a capability of ``plugin`` takes.

    With ``through``, only ways that have a step of that hook; none of ``without``. Raises `NoWay`.
    """
    reason = "no installed plugin makes what it takes"
    tie = itertools.count()
    ways: list[tuple[int, int, Stage, tuple[Step, ...]]] = [(0, next(tie), stage_of(artifact), ())]
    seen: set[Stage] = set()
    while ways:
        cost, _, stage, steps = heapq.heappop(ways)
        if stage in seen:
            continue
        seen.add(stage)
        found = mismatch(row, stage, task=artifact.task, target=target, data=data)
        if found is None and (through is None or any(s.row.hook == through for s in steps)):
            return steps
        if found is not None and stage.format in {pattern.format for pattern in row.inputs}:
            reason = found
        if len(steps) == MAX_STEPS:
            continue
        for step in _steps(discovery):
            if (
                step == (plugin, row)
                or step in without
                or lacks_extra(discovery.record(step.plugin), step.row)
            ):
                continue
            if mismatch(step.row, stage, task=artifact.task, target=target, data=data) is None:
                price = 1 + LOSSY * (not step.row.lossless) + FOREIGN * (step.plugin != plugin)
                then = after(stage, step.plugin, step.row, target)
                heapq.heappush(ways, (cost + price, next(tie), then, (*steps, step)))
    raise NoWay(reason)


def runners(artifact: Artifact, *, plugin: str, discovery: Discovery, target: Target) -> list[Step]:
    """Run capabilities that take the artifact here, the one to believe first.

    Reference rows before others, lossless ones before lossy ones, ``plugin``'s own before
    others'.
    """
    stage = stage_of(artifact)
    found = [
        Step(record.name, row)
        for record in discovery.usable
        for row in record.capabilities
        if row.hook == "run"
        and not lacks_extra(record, row)
        and mismatch(row, stage, task=artifact.task, target=target, data=None) is None
    ]
    return sorted(
        found, key=lambda s: (not s.row.reference, not s.row.lossless, s.plugin != plugin)
    )


def lacks_extra(record: PluginRecord, row: Capability) -> bool:
    """True when something that the row's extra brings is not installed."""
    if row.extra is None:
        return False
    key = record.distribution, record.version, row.extra
    if key not in _lacking:
        try:
            _lacking[key] = bool(missing_requirements(record, row.extra))
        except PluginError:  # there is no such extra: a clause of its own says so
            _lacking[key] = True
    return _lacking[key]


_lacking: dict[tuple[str, str, str], bool] = {}
"""Asked once for each extra: metadata takes long to read, and stays as it is."""


def _steps(discovery: Discovery) -> list[Step]:
    return [
        Step(record.name, row)
        for record in discovery.usable
        for row in record.capabilities
        if row.hook != "run"
    ]
