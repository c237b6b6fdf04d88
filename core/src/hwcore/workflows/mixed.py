"""Mixed plans: one that lost too much is tried again with its most sensitive layers left alone."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

from hwcore.contract import Artifact, Capability, Plan, PlannedStep, Sensitivity, Treatment
from hwcore.evaluate import Quality, paired_bound
from hwcore.host import PluginHost
from hwcore.pipeline import StepRecord, trains
from hwcore.workflows.keep import Kept, Layer, keep
from hwcore.workflows.study import Mixed, Trial

SUFFIX = "-mixed"
MAX_NAME = 64
SHOWN = 3
"""Names of layers that a summary has at most."""
PRUNED = "sparsity"
"""The fact of a step that prunes: of each tensor, and in it the ``layer`` by sensitivity's name."""
ZEROS: dict[float, Treatment] = {
    0.5: "zeros-50", 0.75: "zeros-75", 0.9: "zeros-90", 0.95: "zeros-95",
}  # fmt: skip

Made = Callable[[StepRecord], Artifact | None]
"""What a step that was done has made; ``None`` where it is not there any more."""


class Loss(NamedTuple):
    """A step that may be why a plan lost too much, and can leave layers alone."""

    place: int
    """Of the step, in the plan's work."""
    option: str
    """That takes the names of layers."""
    treatment: Treatment


def mixed_trials(
    trials: Sequence[Trial],
    max_drop: float,
    host: PluginHost,
    ask: Callable[[], Sensitivity | None],
    made: Made,
    id_of: Callable[[Plan], str],
) -> list[Trial]:
    """A trial for each plan that exceeded the tolerance and may stay within it when mixed.

    One that was proposed earlier for the same tolerance is taken as it is. ``ask`` is called where
    there is reason to, and more than once: it should remember.
    """
    known = {trial.mixed.of: trial for trial in trials if trial.mixed is not None}
    ids = {trial.id for trial in trials if trial.mixed is None}
    found: list[Trial] = []
    for trial in trials:
        if not _exceeded(trial, max_drop):
            continue
        losses = list(losses_of(trial.plan, host))
        earlier = known.get(trial.id)
        if earlier is not None and earlier.mixed is not None and earlier.mixed.max_drop == max_drop:
            found.append(earlier)
            continue
        sensitivity = ask() if losses else None
        if sensitivity is None:
            continue
        proposal = mix(trial, losses, sensitivity, max_drop, made)
        if proposal is None:
            continue
        plan, mixed = proposal
        variant = Trial(id=id_of(plan), plan=plan, mixed=mixed)
        if variant.id not in ids:
            found.append(variant)
    return found


def losses_of(plan: Plan, host: PluginHost) -> Iterator[Loss]:
    """The steps of a plan that can leave layers alone. One that trains is not done twice."""
    for place, step in enumerate(plan.work):
        row = host.record(step.plugin).capability(step.capability)
        treatment = treatment_of(row, step)
        if row.keeps is not None and treatment is not None and not trains(row):
            yield Loss(place, row.keeps, treatment)


def treatment_of(row: Capability, step: PlannedStep) -> Treatment | None:
    """What a step does to a layer, as sensitivity calls it; ``None`` where it has no word for it.

    A share of zeros is that of the nearest treatment; one that the options leave out is a half.
    """
    if row.hook == "sparsify":
        share = step.options.get("share")
        wanted = share if isinstance(share, int | float) else 0.5
        return ZEROS[min(ZEROS, key=lambda known: abs(known - wanted))]
    scheme = (row.output.quantization if row.output else None) or ""
    treatments: tuple[Treatment, ...] = ("int8", "int4")
    return next((known for known in treatments if scheme.startswith(known)), None)


def mix(
    trial: Trial, losses: Sequence[Loss], sensitivity: Sensitivity, max_drop: float, made: Made
) -> tuple[Plan, Mixed] | None:
    """The plan with its worst layers left alone; ``None`` where that cannot help.

    Of several steps, it is the one whose treatment costs most.
    """
    quality = trial.quality
    errors = {loss: _layers(sensitivity, loss, trial, made) for loss in losses}
    worst = max(losses, key=lambda loss: sum(layer.error for layer in errors[loss]), default=None)
    if quality is None or worst is None:
        return None
    kept = keep(
        errors[worst],
        observed=quality.drop_bound,
        least=_least(quality),
        tolerance=max_drop,
        squared=quality.metric == "cosine",
    )
    if kept is None:
        return None
    mixed = Mixed(
        of=trial.id,
        max_drop=max_drop,
        treatment=worst.treatment,
        kept=kept.names,
        error_share=kept.error_share,
        time_share=kept.time_share,
        predicted=kept.predicted,
    )
    return _plan(trial.plan, worst, kept, len(errors[worst])), mixed


def _exceeded(trial: Trial, max_drop: float) -> bool:
    """Whether a recipe's plan works, lost too much, and has rows enough to prove anything."""
    plain = not trial.baseline and trial.mixed is None
    if trial.quality is None or trial.unchecked is not None or trial.state == "failed":
        return False
    return plain and _least(trial.quality) < max_drop < trial.quality.drop_bound


def _least(quality: Quality) -> float:
    """The bound of a plan that changes no answer."""
    return 0.0 if quality.metric == "cosine" else paired_bound(0, 0, quality.rows)


def _layers(sensitivity: Sensitivity, loss: Loss, trial: Trial, made: Made) -> list[Layer]:
    """What the step treats, of all that was measured: what it says that it did, where it does,
    and never what its options leave out."""
    left = _names(trial.plan.work[loss.place], loss.option)
    pruned = _pruned(trial, loss.place, made)
    return [
        Layer(layer.name, layer.error[loss.treatment], layer.time_share)
        for layer in sensitivity.layers
        if loss.treatment in layer.error
        and (pruned is None or layer.name in pruned)
        and not any(_means(pattern, layer.name) for pattern in left)
    ]


def _pruned(trial: Trial, place: int, made: Made) -> set[str] | None:
    """The layers that a step put zeros into; ``None`` where it prunes none, or does not say."""
    if trial.plan.work[place].hook != "sparsify" or place >= len(trial.steps):
        return None
    before = _zeros(made(trial.steps[place - 1])) if place else {}
    after = _zeros(made(trial.steps[place]))
    return {fact["layer"] for name, fact in after.items() if before.get(name) != fact} or None


def _zeros(artifact: Artifact | None) -> dict[str, dict[str, Any]]:
    """The fact of an artifact, as far as it names layers."""
    facts = artifact.manifest.facts.get(PRUNED) if artifact is not None else None
    entries = facts.items() if isinstance(facts, dict) else ()
    return {
        name: fact
        for name, fact in entries
        if isinstance(fact, dict) and isinstance(fact.get("layer"), str)
    }


def _means(pattern: str, name: str) -> bool:
    """Whether a plugin may take a pattern for a layer: as a shell pattern for its name or for what
    it lies in, or as a regular expression of its name."""
    parts = name.split(".")
    ways = (".".join(parts[: end + 1]) for end in range(len(parts)))
    if any(fnmatchcase(way, pattern) for way in ways):
        return True
    with suppress(re.error):
        return re.fullmatch(pattern, name) is not None
    return False


def _names(step: PlannedStep, option: str) -> list[str]:
    given = step.options.get(option)
    return [str(name) for name in given] if isinstance(given, list) else []


def _plan(plan: Plan, loss: Loss, kept: Kept, layers: int) -> Plan:
    step = plan.work[loss.place]
    options = {**step.options, loss.option: [*_names(step, loss.option), *kept.names]}
    work = list(plan.work)
    work[loss.place] = step.model_copy(update={"options": options})
    more = f" and {len(kept.names) - SHOWN} more" if len(kept.names) > SHOWN else ""
    summary = (
        f"{plan.name} with {len(kept.names)} of {layers} layers left as they are, which make "
        f"{kept.error_share:.0%} of the error of {loss.treatment} and take {kept.time_share:.0%} "
        f"of the time: {', '.join(kept.names[:SHOWN])}{more}"
    )
    return plan.model_copy(
        update={
            "name": plan.name[: MAX_NAME - len(SUFFIX)] + SUFFIX,
            "summary": summary,
            "work": tuple(work),
        }
    )
