"""The order of trials, against models whose answer is known beforehand."""

from __future__ import annotations

import pytest

from core_plugin_intel.search import Choice, Outcome, choices


def played(variants: int, layers: int, needed: int | None, best: int = 0) -> list[Choice]:
    """What is tried on a model that ``needed`` layers in float32 make good enough."""
    plan = choices(variants, layers)
    tried = [next(plan)]
    while True:
        choice = tried[-1]
        within = needed is not None and choice.floats >= needed and choice.variant == best
        score = choice.floats + (0.5 if choice.variant == best else 0.0)
        try:
            tried.append(plan.send(Outcome(score, within)))
        except StopIteration:
            return tried


def test_the_first_way_that_will_do_ends_it() -> None:
    assert played(3, 40, needed=0, best=1) == [Choice(0, 0), Choice(1, 0)]


def test_layers_are_left_of_the_way_that_scored_best() -> None:
    assert played(2, 40, needed=1, best=1) == [Choice(0, 0), Choice(1, 0), Choice(1, 1)]


@pytest.mark.parametrize("needed", [1, 2, 3, 5, 6, 7, 8, 13, 39, 40])
def test_the_fewest_layers_are_found(needed: int) -> None:
    tried = played(1, 40, needed=needed)
    enough = [choice.floats for choice in tried if choice.floats >= needed]
    assert min(enough) == needed
    assert len(tried) == len(set(tried))
    assert len(tried) <= 13  # 1, 2, 4 … 40 and halving in on


def test_nothing_to_leave_ends_it() -> None:
    assert played(2, 3, needed=None)[-1] == Choice(0, 3)
    assert played(1, 0, needed=None) == [Choice(0, 0)]
