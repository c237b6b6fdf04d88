"""Choosing: the Pareto front, and the fastest plan that is proven to be accurate enough."""

from __future__ import annotations

from pydantic import Field

from hwcore.contract import Value
from hwcore.evaluate import rows_needed
from hwcore.workflows.study import Trial


class Choice(Value):
    """What a study comes to under a tolerance."""

    recommended: str | None
    front: tuple[str, ...] = Field(default=())
    """Ids on the Pareto front of speed-up against quality, slowest first."""
    verdict: str
    hint: str | None = None
    """What would help, when nothing is recommended."""
    worked: bool = True
    """False when every plan but the baseline failed."""


def choose(trials: tuple[Trial, ...], max_drop: float) -> Choice:
    """The fastest checked plan whose drop is within the tolerance at its bound.

    It is the baseline when that is the fastest. ``recommended`` is ``None`` when no plan is
    proven to be within the tolerance; the verdict then says how close the best came.
    """
    measured = [t for t in trials if t.state == "measured" and t.quality and t.speedups]
    front = _front(measured)
    candidates = [t for t in measured if not t.baseline and t.unchecked is None]
    within = [t for t in candidates if t.quality and t.quality.drop_bound <= max_drop]
    if not candidates:
        return _no_candidate(
            [t for t in measured if not t.baseline],
            [t for t in trials if t.state == "failed"],
            front,
        )
    if not within:
        closest = min(candidates, key=_bound)
        return Choice(
            recommended=None,
            front=front,
            verdict=(
                f"no plan is proven to stay within a drop of {max_drop:g}: {closest.plan.name} "
                f"came closest, its drop may be as large as {_bound(closest):.4f}"
            ),
            hint=_hint(closest, max_drop),
        )
    baseline = [t for t in measured if t.baseline]
    best = max([*within, *baseline], key=lambda t: t.speedups[0].value)
    if best.baseline:
        verdict = "nothing within the tolerance is faster than the model as it is"
    else:
        verdict = f"{best.plan.name} is {best.speedups[0]} as fast as the baseline"
    return Choice(recommended=best.id, front=front, verdict=verdict)


def _no_candidate(unchecked: list[Trial], failed: list[Trial], front: tuple[str, ...]) -> Choice:
    """Why there is nothing to choose from: plans did not work, or could not be checked."""
    if not unchecked:
        reasons = "; ".join(f"{trial.plan.name}: {trial.error}" for trial in failed)
        return Choice(
            recommended=None,
            front=front,
            verdict="no plan worked on this machine",
            hint=f"{reasons}. Mend that and give --again: what failed is not retried unasked."
            if reasons
            else None,
            worked=False,
        )
    return Choice(
        recommended=None,
        front=front,
        verdict="no plan could be checked, so none can be recommended",
        hint=f"{unchecked[0].plan.name}: {unchecked[0].unchecked}",
    )


def _hint(closest: Trial, max_drop: float) -> str:
    if max_drop <= 0:
        return "No number of rows proves a drop of zero: give a --max-drop above 0."
    quality, needed = closest.quality, rows_needed(max_drop)
    # A mean of cosines has no such number: it depends on how much they differ.
    if quality is not None and quality.metric != "cosine" and quality.rows < needed:
        return (
            f"It was judged on {quality.rows} rows; {needed} are the least that can prove "
            f"--max-drop {max_drop:g}. Give --rows {needed} or more and data that has as many, "
            "or allow a larger drop."
        )
    return "Allow a larger --max-drop, or give more data: the bound shrinks with more rows."


def _bound(trial: Trial) -> float:
    return trial.quality.drop_bound if trial.quality else 1.0


def _front(trials: list[Trial]) -> tuple[str, ...]:
    """Trials that no other beats in both speed-up and quality (Pareto), slowest first."""
    ordered = sorted(trials, key=lambda t: (-t.speedups[0].value, -_value(t)))
    front: list[str] = []
    best = float("-inf")
    for trial in ordered:
        if _value(trial) > best:
            front.append(trial.id)
            best = _value(trial)
    return tuple(reversed(front))


def _value(trial: Trial) -> float:
    return trial.quality.value if trial.quality else float("-inf")
