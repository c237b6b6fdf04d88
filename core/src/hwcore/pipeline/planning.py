"""Binding a recipe: which capability each step is, and whether types, target and data fit."""

from __future__ import annotations

from typing import NamedTuple

from hwcore.contract import (
    Artifact,
    Capability,
    Dataset,
    Plan,
    PlannedStep,
    Recipe,
    Step,
    Target,
    Traits,
    UserError,
)
from hwcore.host import PluginHost, PluginRecord, check_options, missing_requirements
from hwcore.host.drafts import promised_traits
from hwcore.host.text import did_you_mean


class LeftOut(NamedTuple):
    """A recipe that does not fit, and why, for the person who expected it to."""

    name: str
    reason: str


class Stage(NamedTuple):
    """What is known of the artifact between two steps, before it exists."""

    format: str
    traits: Traits
    history: tuple[str, ...]
    """Hooks and ``plugin/capability`` of the steps so far."""


def stage_of(artifact: Artifact) -> Stage:
    """Where a plan that starts from ``artifact`` starts."""
    history: list[str] = []
    for step in artifact.manifest.lineage:
        history += [step.hook, f"{step.plugin}/{step.capability}"]
    return Stage(artifact.format, artifact.traits, tuple(history))


def mismatch(
    row: Capability, stage: Stage, *, task: str, target: Target, data: Dataset | None
) -> str | None:
    """Why a capability cannot be the next step, in a few words; ``None`` when it can."""
    reason = _refused(row, stage, target)
    if reason is not None:
        return reason
    if row.tasks and task not in row.tasks:
        return f"does not do {task}"
    needs = [need.mismatch(target) for need in row.targets]
    if None not in needs:
        return needs[0]
    for earlier in row.not_after:
        if earlier in stage.history:
            return f"may not follow {earlier}"
    if row.data is not None:
        have = data.count(row.data.role) if data is not None else 0
        if have < row.data.rows:
            return f"needs {row.data.rows} {row.data.role} rows, has {have}: give --data"
    return None


def _refused(row: Capability, stage: Stage, target: Target) -> str | None:
    """Why none of a row's patterns takes the artifact: told of one for its format, if any is."""
    patterns = [pattern for pattern in row.inputs if pattern.format == stage.format]
    if not patterns:
        formats = dict.fromkeys(pattern.format for pattern in row.inputs)
        return f"takes {' or '.join(formats)}, not {stage.format}"
    reasons = [p.mismatch(stage.format, stage.traits, target.fingerprint) for p in patterns]
    return None if None in reasons else reasons[0]


def bind(
    recipe: Recipe,
    *,
    source: Artifact,
    target: Target,
    data: Dataset | None,
    host: PluginHost,
    seed: int = 0,
) -> Plan | LeftOut:
    """Bind a recipe to a source and a target, or say why it does not fit.

    Raises `UserError` for a step that could be any of several capabilities, or has an option
    that its capability does not take.
    """
    if recipe.tasks and source.task not in recipe.tasks:
        return LeftOut(recipe.name, f"is for {', '.join(recipe.tasks)}, not {source.task}")
    steps = bind_steps(recipe.steps, source=source, target=target, data=data, host=host)
    if isinstance(steps, str):
        return LeftOut(recipe.name, steps)
    return Plan(
        name=recipe.name,
        summary=recipe.summary,
        source=source.digest,
        target=target,
        work=steps[:-1],
        run=steps[-1],
        seed=seed,
    )


def bind_steps(
    steps: tuple[Step, ...],
    *,
    source: Artifact,
    target: Target,
    data: Dataset | None,
    host: PluginHost,
) -> tuple[PlannedStep, ...] | str:
    """Decide each step's capability by walking types from the source, or say what does not fit."""
    stage = stage_of(source)
    planned: list[PlannedStep] = []
    for step in steps:
        fitted = _fit(step, stage, source.task, target, data, host)
        if isinstance(fitted, str):
            return f"{step.hook} {step.plugin}: {fitted}"
        planned.append(
            PlannedStep(
                hook=step.hook, plugin=step.plugin, capability=fitted.id, options=step.options
            )
        )
        stage = after(stage, step.plugin, fitted, target)
    return tuple(planned)


def after(stage: Stage, plugin: str, row: Capability, target: Target) -> Stage:
    """What a capability of ``plugin`` makes of ``stage``, by its promise."""
    if row.output is None:
        return stage
    return Stage(
        row.output.format,
        promised_traits(row.output, stage.traits, target),
        (*stage.history, row.hook, f"{plugin}/{row.id}"),
    )


def _fit(
    step: Step, stage: Stage, task: str, target: Target, data: Dataset | None, host: PluginHost
) -> Capability | str:
    record = next((r for r in host.records if r.name == step.plugin), None)
    if record is None:
        near = did_you_mean(step.plugin, [r.name for r in host.records])
        return f"plugin {step.plugin} is not installed{near}"
    if record.manifest is None or not record.usable:
        return record.reason or f"plugin {step.plugin} is {record.state}"
    rows = [row for row in record.manifest.capabilities if row.hook == step.hook]
    if step.capability is not None:
        rows = [row for row in rows if row.id == step.capability]
        if not rows:
            near = did_you_mean(step.capability, [row.id for row in record.capabilities])
            return f"it has no {step.hook} capability {step.capability!r}{near}"
    else:
        # Training takes hours, and is for those who ask for it.
        ready = [row for row in rows if not trains(row)]
        if rows and not ready:
            names = ", ".join(row.id for row in rows)
            return f"it only does that by training ({names}): name one, or say --recover"
        rows = ready
    reasons = {row.id: mismatch(row, stage, task=task, target=target, data=data) for row in rows}
    fitting = [row for row in rows if reasons[row.id] is None]
    if not fitting:
        return next((reason for reason in reasons.values() if reason), "it does not do that")
    if len(fitting) > 1:
        names = ", ".join(row.id for row in fitting)
        raise UserError(
            f"{step.hook} {step.plugin} could be any of {names}",
            hint="Name one with the key `capability`, or --capability on the command line.",
        )
    row = fitting[0]
    missing = _lacks_extra(record, row)
    if missing:
        return f'needs {", ".join(missing)}: pip install "{record.distribution}[{row.extra}]"'
    check_options(record, row.id, step.options)
    return row


def trains(row: Capability) -> bool:
    """Whether a capability learns from the user's rows."""
    return row.data is not None and row.data.role == "train"


def _lacks_extra(record: PluginRecord, row: Capability) -> list[str]:
    """Requirements of the row's extra that are not installed."""
    return missing_requirements(record, row.extra) if row.extra is not None else []


def runner_for(
    artifact: Artifact, target: Target, host: PluginHost, *, prefer: tuple[str, ...] = ()
) -> PlannedStep | None:
    """A lossless ``run`` row that takes the artifact: reference rows first, then ``prefer``.

    ``None`` if no installed plugin can run it here.
    """
    stage = stage_of(artifact)
    found: list[tuple[tuple[bool, int], PlannedStep]] = []
    for record in host.records:
        if record.manifest is None or not record.usable:
            continue
        rank = prefer.index(record.name) if record.name in prefer else len(prefer)
        for row in record.manifest.capabilities:
            if not (row.hook == "run" and row.lossless) or _lacks_extra(record, row):
                continue
            if mismatch(row, stage, task=artifact.task, target=target, data=None) is None:
                step = PlannedStep(hook="run", plugin=record.name, capability=row.id)
                found.append(((not row.reference, rank), step))
    return min(found, key=lambda pair: pair[0])[1] if found else None
