"""Bounds of a drop, held against independent computations and published tables."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from statistics import NormalDist

import numpy as np
import pytest

from hwcore.contract import Array
from hwcore.evaluate import mean_bound, paired_bound, rows_needed
from hwcore.evaluate.bounds import resampled_bound

Z = NormalDist().inv_cdf(0.95)


def by_likelihood(lost: int, gained: int, rows: int) -> float:
    """Tango's bound from its definition, without the closed form of the constrained estimate.

    The nuisance parameter is found by maximising the multinomial likelihood numerically.
    """

    def nuisance(delta: float) -> float:
        def likelihood(q: float) -> float:
            cells = ((lost, q + delta), (gained, q), (rows - lost - gained, 1 - 2 * q - delta))
            return sum(n * math.log(max(p, 1e-300)) for n, p in cells if n)

        return _maximum(likelihood, max(0.0, -delta), (1 - delta) / 2)

    def statistic(delta: float) -> float:
        variance = rows * (2 * nuisance(delta) + delta * (1 - delta))
        return (lost - gained - rows * delta) / math.sqrt(max(variance, 1e-12))

    low, high = (lost - gained) / rows, 1.0
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if statistic(middle) > -Z else (low, middle)
    return high


def _maximum(function: Callable[[float], float], low: float, high: float) -> float:
    """Where a concave function is largest, by golden section."""
    ratio = (math.sqrt(5) - 1) / 2
    for _ in range(80):
        left, right = high - ratio * (high - low), low + ratio * (high - low)
        low, high = (low, right) if function(left) >= function(right) else (left, high)
    return (low + high) / 2


@cache
def bound(lost: int, gained: int, rows: int) -> float:
    return paired_bound(lost, gained, rows)


@pytest.mark.parametrize(
    ("lost", "gained", "rows"),
    [
        (1, 0, 10), (0, 1, 10), (3, 3, 10), (10, 0, 10), (0, 10, 10), (5, 5, 10),
        (1, 0, 44), (12, 2, 50), (2, 12, 50), (7, 7, 50), (30, 20, 50),
        (3, 1, 200), (20, 25, 200), (0, 9, 200), (17, 3, 2000), (100, 100, 2000),
    ],
)  # fmt: skip
def test_the_closed_form_is_the_maximum_of_the_likelihood(
    lost: int, gained: int, rows: int
) -> None:
    assert bound(lost, gained, rows) == pytest.approx(by_likelihood(lost, gained, rows), abs=2e-6)


@pytest.mark.parametrize("rows", [1, 2, 10, 100, 2000, 10**6])
def test_no_changed_row_leaves_a_bound_of_its_own(rows: int) -> None:
    assert paired_bound(0, 0, rows) == pytest.approx(Z * Z / (rows + Z * Z), rel=1e-9)


def test_extremes() -> None:
    assert paired_bound(0, 0, 0) == 1.0
    assert paired_bound(10, 0, 10) == 1.0
    assert -1 < paired_bound(0, 10, 10) < 0
    assert paired_bound(0, 10_000, 10_000) == pytest.approx(-1, abs=1e-3)


def test_many_rows_come_to_the_normal_approximation() -> None:
    lost, gained, rows = 3000, 2000, 10**6
    drop = (lost - gained) / rows
    spread = math.sqrt((lost + gained) / rows - drop**2) / math.sqrt(rows)
    assert paired_bound(lost, gained, rows) == pytest.approx(drop + Z * spread, rel=1e-3)


def test_the_bound_lies_above_the_estimate_and_follows_the_counts() -> None:
    rows = 30
    for lost in range(0, rows, 3):
        for gained in range(0, rows - lost, 3):
            here = bound(lost, gained, rows)
            assert (lost - gained) / rows < here <= 1
            if lost + gained < rows:
                assert bound(lost + 1, gained, rows) > here
                assert bound(lost, gained + 1, rows) < here
            assert bound(2 * lost, 2 * gained, 2 * rows) < here
            assert paired_bound(lost, gained, rows, confidence=0.99) > here


@pytest.mark.parametrize(
    ("lost", "gained"), [(0.05, 0.05), (0.1, 0.05), (0.02, 0.1), (0.3, 0.1), (0.2, 0.2), (0.01, 0)]
)
def test_coverage_is_what_it_says(lost: float, gained: float) -> None:
    """The exact probability, over all outcomes of 50 rows, that the bound holds the true drop."""
    rows = 50
    same = 1 - lost - gained
    covered = 0.0
    for b in range(rows + 1):
        for c in range(rows - b + 1):
            if bound(b, c, rows) >= lost - gained:
                ways = math.comb(rows, b) * math.comb(rows - b, c)
                covered += ways * lost**b * gained**c * same ** (rows - b - c)
    # A score interval hovers around its level; the normal approximation falls to 0.40 in (0.01, 0).
    assert covered >= 0.94


@pytest.mark.parametrize("max_drop", [0.001, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 0.9])
def test_rows_needed_are_the_least_that_pass(max_drop: float) -> None:
    rows = rows_needed(max_drop)
    assert paired_bound(0, 0, rows) <= max_drop
    assert rows == 1 or paired_bound(0, 0, rows - 1) > max_drop


def test_rows_needed_for_one_percent() -> None:
    assert rows_needed(0.01) == 268  # 1.645 ** 2 * 99


@pytest.mark.parametrize("max_drop", [0.0, -0.1])
def test_no_number_of_rows_proves_no_drop(max_drop: float) -> None:
    with pytest.raises(ValueError, match="no number of rows proves a drop of zero"):
        rows_needed(max_drop)


# One-sided 95 % quantiles of Student's t, as printed in every table.
STUDENT = {4: 2.132, 5: 2.015, 9: 1.833, 19: 1.729, 29: 1.699, 120: 1.658}


@pytest.mark.parametrize("freedom", STUDENT)
def test_the_bound_of_a_mean_against_the_table(freedom: int) -> None:
    rows = freedom + 1
    drops = np.random.default_rng(freedom).normal(0.02, 0.1, rows)
    error = drops.std(ddof=1) / math.sqrt(rows)
    quantile = (mean_bound(drops) - drops.mean()) / error
    assert quantile == pytest.approx(STUDENT[freedom], rel=0.01)


def test_too_few_rows_have_no_bound() -> None:
    for rows in range(5):
        assert mean_bound(np.zeros(rows)) == math.inf
    assert mean_bound(np.zeros(5)) == 0


def test_a_drop_that_is_the_same_in_every_row_is_its_own_bound() -> None:
    assert mean_bound(np.full(40, 0.25)) == pytest.approx(0.25)


def test_resampling_agrees_with_student_where_both_hold() -> None:
    drops = np.random.default_rng(1).normal(0.1, 0.2, 400)

    def drop(index: Array) -> float:
        return float(drops[index].mean())

    assert resampled_bound(drop, len(drops)) == pytest.approx(mean_bound(drops), abs=0.003)
    assert resampled_bound(drop, len(drops)) == resampled_bound(drop, len(drops))
    assert resampled_bound(drop, len(drops), seed=1) != resampled_bound(drop, len(drops))


def test_resampling_never_proves_more_than_unchanged_rows_could() -> None:
    assert resampled_bound(lambda index: 0.0, 50) == paired_bound(0, 0, 50)
    assert resampled_bound(lambda index: -1.0, 50) == paired_bound(0, 0, 50)
