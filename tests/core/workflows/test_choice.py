"""Choosing: fastest within the bound, and honest words where there is none."""

from __future__ import annotations

from typing import Any

import parts
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwcore.evaluate import rows_needed
from hwcore.workflows.choice import Choice, choose
from hwcore.workflows.study import Trial

BASE = parts.trial("base", speed=1.0, baseline=True, quality=parts.quality(0.9, bound=0.001))


def trial(
    name: str, speed: float, value: float = 0.9, bound: float = 0.005, **changes: Any
) -> Trial:
    return parts.trial(name, speed=speed, quality=parts.quality(value, bound=bound), **changes)


class TestRecommended:
    def test_the_fastest_within_the_bound(self) -> None:
        trials = (
            BASE,
            trial("slow", 2.0),
            trial("fast", 4.0, bound=0.01),
            trial("faster", 8.0, bound=0.0101),
        )
        choice = choose(trials, 0.01)
        assert choice.recommended == "id-fast"
        assert choice.verdict == "fast is 4.00× as fast as the baseline"
        assert choice.hint is None

    def test_the_bound_counts_and_not_the_point(self) -> None:
        lucky = trial("lucky", 9.0, value=0.95, bound=0.02)  # better on these rows, by chance
        assert choose((BASE, lucky, trial("sure", 2.0)), 0.01).recommended == "id-sure"

    def test_an_unchecked_plan_is_never_recommended(self) -> None:
        unchecked = trial("wild", 9.0, unchecked="no installed plugin can run it")
        assert choose((BASE, trial("fast", 2.0), unchecked), 0.01).recommended == "id-fast"

    @pytest.mark.parametrize("state", ["planned", "built", "evaluated", "failed"])
    def test_a_plan_that_was_not_measured_is_not_recommended(self, state: str) -> None:
        half = trial("half", 9.0, state=state)
        assert choose((BASE, trial("fast", 2.0), half), 0.01).recommended == "id-fast"

    def test_the_baseline_where_nothing_is_faster(self) -> None:
        choice = choose((BASE, trial("slower", 0.5)), 0.01)
        assert choice.recommended == "id-base"
        assert choice.verdict == "nothing within the tolerance is faster than the model as it is"


class TestNone:
    def test_says_how_close_the_best_came(self) -> None:
        trials = (BASE, trial("near", 2.0, bound=0.012), trial("far", 9.0, bound=0.2))
        choice = choose(trials, 0.01)
        assert choice.recommended is None
        assert choice.verdict == (
            "no plan is proven to stay within a drop of 0.01: near came closest, "
            "its drop may be as large as 0.0120"
        )
        assert choice.hint == (
            "Allow a larger --max-drop, or give more data: the bound shrinks with more rows."
        )

    def test_says_how_many_rows_it_takes(self) -> None:
        few = parts.trial("near", speed=2.0, quality=parts.quality(bound=0.05, rows=50))
        choice = choose((BASE, few), 0.01)
        assert rows_needed(0.01) == 268
        assert choice.hint == (
            "It was judged on 50 rows; 268 are the least that can prove --max-drop 0.01. "
            "Give --rows 268 or more and data that has as many, or allow a larger drop."
        )

    def test_rows_are_no_such_number_for_a_mean(self) -> None:
        few = parts.quality(bound=0.05, rows=32, metric="cosine", changed=None)
        choice = choose((BASE, parts.trial("near", speed=2.0, quality=few)), 0.01)
        assert choice.hint is not None
        assert choice.hint.startswith("Allow a larger --max-drop")

    def test_a_drop_of_zero_cannot_be_proven(self) -> None:
        choice = choose((BASE, trial("near", 2.0, bound=0.001)), 0.0)
        assert choice.hint == (
            "No number of rows proves a drop of zero: give a --max-drop above 0."
        )

    def test_where_no_plan_worked(self) -> None:
        failed = tuple(
            parts.trial(name, state="failed", error=f"{name} it is") for name in ("broken", "odd")
        )
        for trials in ((BASE,), (BASE, *failed), ()):
            choice = choose(trials, 0.01)
            assert choice.recommended is None
            assert choice.verdict == "no plan worked on this machine"
            assert not choice.worked
        assert choose((BASE,), 0.01).hint is None
        assert choose((BASE, *failed), 0.01).hint == (
            "broken: broken it is; odd: odd it is. Mend that and give --again: what failed is not "
            "retried unasked."
        )

    def test_where_no_plan_could_be_checked(self) -> None:
        wild = trial("wild", 9.0, unchecked="compile x: no installed plugin can run y")
        choice = choose((BASE, wild, parts.trial("broken", state="failed")), 0.01)
        assert choice.recommended is None
        assert choice.verdict == "no plan could be checked, so none can be recommended"
        assert choice.hint == "wild: compile x: no installed plugin can run y"
        assert choice.worked


class TestFront:
    def test_holds_what_no_other_beats_in_both(self) -> None:
        trials = (
            BASE,
            trial("good", 2.0, value=0.89),
            trial("beaten", 1.5, value=0.88),
            trial("quick", 5.0, value=0.80),
            trial("better", 1.2, value=0.91),
            trial("wild", 9.0, value=0.7, unchecked="nobody runs it"),
        )
        choice = choose(trials, 0.01)
        assert choice.front == ("id-better", "id-good", "id-quick", "id-wild")

    def test_of_two_that_are_equal_one_will_do(self) -> None:
        assert choose((BASE, trial("a", 2.0), trial("b", 2.0)), 0.01).front == ("id-a",)

    points = st.lists(
        st.tuples(st.integers(1, 6).map(float), st.integers(1, 6).map(lambda n: n / 10)),
        min_size=1,
        max_size=8,
    )

    @settings(deadline=None, max_examples=80)
    @given(points=points)
    def test_is_the_pareto_front(self, points: list[tuple[float, float]]) -> None:
        trials = tuple(trial(f"t{n}", s, value=v) for n, (s, v) in enumerate(points))
        front = [points[int(id.removeprefix("id-t"))] for id in choose(trials, 0.01).front]

        def beats(one: tuple[float, float], other: tuple[float, float]) -> bool:
            return one != other and one[0] >= other[0] and one[1] >= other[1]

        unbeaten = {p for p in points if not any(beats(q, p) for q in points)}
        assert set(front) == unbeaten
        assert front == sorted(unbeaten)  # slowest first


def test_a_choice_is_a_value() -> None:
    choice = choose((BASE, trial("fast", 2.0)), 0.01)
    assert Choice.model_validate_json(choice.model_dump_json()) == choice
