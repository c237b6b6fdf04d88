"""The result of a training: the last model that is not worse than the best by more than chance."""

from __future__ import annotations

from math import inf, nan

import pytest

from core_plugin_torch.recovery.selection import Scored, best, chosen, scored, standard_error


def evaluations(*scores: float) -> list[Scored]:
    return [Scored(10 * (number + 1), score) for number, score in enumerate(scores)]


def test_the_last_of_equals_is_chosen() -> None:
    assert chosen(evaluations(0.8, 0.84, 0.84), 500) == Scored(30, 0.84)


def test_a_little_worse_is_chance_and_much_worse_is_not() -> None:
    assert chosen(evaluations(0.85, 0.84), 500) == Scored(20, 0.84)
    assert chosen(evaluations(0.85, 0.83), 500) == Scored(10, 0.85)


def test_what_is_no_share_of_rows_is_taken_as_it_is() -> None:
    assert chosen(evaluations(0.85, 0.8499), 0) == Scored(10, 0.85)


def test_many_small_steps_down_are_held_against_the_peak() -> None:
    assert chosen(evaluations(0.9, 0.89, 0.88, 0.87), 500) == Scored(20, 0.89)


def test_the_choice_never_goes_back() -> None:
    scores, steps = (0.80, 0.79, 0.70, 0.81, 0.80, 0.83), []
    for count in range(1, len(scores) + 1):
        found = chosen(evaluations(*scores[:count]), 500)
        assert found is not None
        steps.append(found.step)
    assert steps == sorted(steps)


def test_nothing_was_judged() -> None:
    assert chosen([], 500) is None
    assert best([]) is None


def test_a_log_is_read_from_a_step_on() -> None:
    log = [
        {"step": 5, "eval_score": 0.9},
        {"step": 6, "loss": 1.0},
        {"step": 10, "eval_score": 0.8},
    ]
    assert scored(log, 6) == [Scored(10, 0.8)]
    assert best(scored(log, 0)) == Scored(5, 0.9)


def test_a_score_that_is_no_number_is_left_out() -> None:
    log = [{"step": step, "eval_score": score} for step, score in ((5, nan), (10, 0.8), (15, inf))]
    assert scored(log, 0) == [Scored(10, 0.8)]
    assert chosen(scored(log[:1], 0), 500) is None


def test_the_standard_error_of_a_share() -> None:
    assert standard_error(0.5, 100) == pytest.approx(0.05)
    assert standard_error(0.9, 100) == pytest.approx(0.03)
    assert standard_error(1.0, 100) == standard_error(0.0, 100) == pytest.approx(0.05)
