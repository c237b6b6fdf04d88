"""Which layers must stay in float32: the order of trials. Pure: no model is known here."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass


@dataclass(frozen=True)
class Choice:
    """What to try: one of several ways to quantize, with some layers left in float32."""

    variant: int
    floats: int
    """How many; those that quantization hurts most."""


@dataclass(frozen=True)
class Outcome:
    """How it went."""

    score: float
    within: bool
    """Whether it is as good as it has to be."""


def choices(variants: int, layers: int) -> Generator[Choice, Outcome, None]:
    """Choices, each after the outcome of the one before; ends when there is nothing to gain.

    First every way with no layer left in float32, until one will do. Of the way that scored best,
    1, 2, 4 … are left, ``layers`` at most, until that will do; then the number is halved in on
    between the last that would not do and the first that did.
    """
    best, best_score = 0, float("-inf")
    for variant in range(variants):
        outcome = yield Choice(variant, 0)
        if outcome.within:
            return
        if outcome.score > best_score:
            best, best_score = variant, outcome.score
    few, enough = 0, None
    count = min(1, layers)
    while count and enough is None:
        outcome = yield Choice(best, count)
        if outcome.within:
            enough = count
        elif count == layers:
            return
        else:
            few, count = count, min(2 * count, layers)
    while enough is not None and enough - few > 1:
        middle = (few + enough) // 2
        outcome = yield Choice(best, middle)
        few, enough = (few, middle) if outcome.within else (middle, enough)
