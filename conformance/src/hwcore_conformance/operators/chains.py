"""The ways that an ONNX model can go through a plugin's hooks, from the file to a runner."""

from __future__ import annotations

from typing import NamedTuple

from hwcore.contract import Capability, PluginError, Target, Traits, UserError
from hwcore.host import Discovery, PluginRecord, missing_requirements
from hwcore.pipeline import Stage, after, mismatch
from hwcore_conformance.operators.folder import FORMAT, TASK

ENTRIES = ("run", "compile", "export")
"""Hooks of the rows that a chain may begin with."""
_STEPS = ("compile", "export")
_MAX_LINKS = 4

_START = Stage(FORMAT, Traits(), ())


class Link(NamedTuple):
    """One capability on the way."""

    plugin: str
    row: Capability


class Chain(NamedTuple):
    """Capabilities one after the other; the last one is of ``run``."""

    name: str
    links: tuple[Link, ...]


def chains(discovery: Discovery, plugin: str, target: Target) -> list[Chain]:
    """For each lossless row of a plugin that takes ONNX, the shortest chain which begins with it.

    A runner of the plugin's own is taken before another's. Raises `UserError` that says why
    where there is no chain at all.
    """
    record = discovery.record(plugin)
    if not record.usable:
        raise UserError(
            f"plugin {plugin} is {record.state}: {record.reason}",
            hint="`hwcore doctor` shows the state of every plugin, and what would help.",
        )
    entries = _entries(record)
    if not entries:
        takers = ", ".join(other.name for other in discovery.usable if _entries(other))
        raise UserError(
            f"plugin {plugin} takes no ONNX in a lossless capability of run, compile or export",
            hint=f"Of the installed plugins these do: {takers or 'none'}.",
        )
    found, reasons = [], []
    for row in entries:
        made = _chain(discovery, record, row, target)
        if isinstance(made, Chain):
            found.append(made)
        else:
            reasons.append(made)
    if not found:
        raise UserError(
            f"plugin {plugin} takes ONNX, and cannot be asked here: {'; '.join(reasons)}",
            hint="`hwcore plugins info` shows what each of its capabilities needs.",
        )
    return found


def _entries(record: PluginRecord) -> list[Capability]:
    rows = [
        row
        for row in record.capabilities
        if row.hook in ENTRIES
        and row.lossless
        and any(p.mismatch(FORMAT, Traits(), None) is None for p in row.inputs)
    ]
    return sorted(rows, key=lambda row: ENTRIES.index(row.hook))


def _chain(
    discovery: Discovery, record: PluginRecord, entry: Capability, target: Target
) -> Chain | str:
    """The shortest chain, or why there is none."""
    refused = _refused(record, entry, _START, target)
    if refused is not None:
        return f"{entry.id} {refused}"
    others = [other for other in discovery.usable if other.name != record.name]
    links = _shortest(record, entry, target, [record]) or _shortest(record, entry, target, others)
    if links is None:
        return f"nothing installed runs what {entry.id} makes"
    return Chain(" → ".join(_label(link, record.name) for link in links), links)


def _shortest(
    record: PluginRecord, entry: Capability, target: Target, runners: list[PluginRecord]
) -> tuple[Link, ...] | None:
    """Steps of one plugin, and a run row of one of ``runners``."""
    ways: list[tuple[Stage, tuple[Link, ...]]] = [(_START, (Link(record.name, entry),))]
    while ways:
        stage, links = ways.pop(0)
        last = links[-1]
        if last.row.hook == "run":
            return links
        stage = after(stage, last.plugin, last.row, target)
        following = [(other, row) for other in runners for row in other.capabilities]
        following = [(other, row) for other, row in following if row.hook == "run"]
        if len(links) + 1 < _MAX_LINKS:
            following += [(record, row) for row in record.capabilities if row.hook in _STEPS]
        for other, row in following:
            if row.lossless and _refused(other, row, stage, target) is None:
                ways.append((stage, (*links, Link(other.name, row))))
    return None


def _refused(record: PluginRecord, row: Capability, stage: Stage, target: Target) -> str | None:
    """Why a row is not the next link."""
    task = row.tasks[0] if row.tasks else TASK  # an operator is of every task
    reason = mismatch(row, stage, task=task, target=target, data=None)
    if reason is not None or row.extra is None:
        return reason
    try:
        missing = missing_requirements(record, row.extra)
    except PluginError as error:
        return error.reason
    return f"needs {', '.join(missing)}, which is not installed" if missing else None


def _label(link: Link, plugin: str) -> str:
    name = link.row.id if link.plugin == plugin else f"{link.plugin}/{link.row.id}"
    return f"{link.row.hook} {name}"
