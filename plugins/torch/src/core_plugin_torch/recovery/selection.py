"""Which of the models that a training passes through is its result."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

SCORE = "eval_score"
"""Of an evaluation, in Trainer's log."""


class Scored(NamedTuple):
    """A model that was judged."""

    step: int
    score: float


def scored(log: Sequence[Mapping[str, Any]], since: int) -> list[Scored]:
    """Evaluations in Trainer's ``log_history``, in order.

    Those before step ``since`` are left out, and scores that are no numbers.
    """
    found = [Scored(int(entry["step"]), float(entry[SCORE])) for entry in log if SCORE in entry]
    return [one for one in found if one.step >= since and math.isfinite(one.score)]


def best(evaluations: Sequence[Scored]) -> Scored | None:
    """The first of those with the highest score."""
    return max(evaluations, key=lambda found: found.score, default=None)


def chosen(evaluations: Sequence[Scored], rows: int) -> Scored | None:
    """The last one whose score is not below the best by more than chance.

    A rate that falls to zero makes the last model the best one, and the scores of some hundred
    rows differ by chance: the highest of several would as often be of a model that is worse.
    ``rows`` is how many a score is a share of, 0 where it is none and nothing is chance.
    """
    peak = best(evaluations)
    if peak is None:
        return None
    least = peak.score - (standard_error(peak.score, rows) if rows else 0.0)
    return next(found for found in reversed(evaluations) if found.score >= least)


def standard_error(share: float, rows: int) -> float:
    """Of a share of so many rows, ``√(p (1 - p) / n)``; as for half where it is 0 or 1 or none."""
    spread = share * (1 - share)
    return math.sqrt((spread if spread > 0 else 0.25) / rows)
