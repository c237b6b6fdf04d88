"""Which layers are kept: against small cases that can be done by hand."""

from __future__ import annotations

import itertools
import random

import pytest

from hwcore.workflows.keep import HEADROOM, Layer, keep

FOUR = [Layer("a", 8.0, 0.1), Layer("b", 4.0, 0.1), Layer("c", 2.0, 0.1), Layer("d", 2.0, 0.1)]
"""Errors of 16 in all."""


def names(layers: list[Layer], **changes: float) -> tuple[str, ...] | None:
    numbers = {"observed": 0.16, "least": 0.0, "tolerance": 0.10} | changes
    kept = keep(layers, squared=True, **numbers)
    return None if kept is None else kept.names


def test_as_many_as_bring_the_rest_down_to_half_the_tolerance() -> None:
    # A drop of 0.16 follows 16 of error; 0.05 is left of it, so that 11 have to go.
    kept = keep(FOUR, observed=0.16, least=0.0, tolerance=0.10, squared=True)
    assert kept is not None
    assert kept.names == ("a", "b")
    assert kept.error_share == pytest.approx(12 / 16)
    assert kept.time_share == pytest.approx(0.2)
    assert kept.predicted == pytest.approx(0.04)
    assert pytest.approx(0.5) == HEADROOM


def test_by_the_root_of_the_error_where_rows_change_sides() -> None:
    layers = [Layer("a", 13.0, 0.1), *(Layer(name, 1.0, 0.1) for name in "bcd")]
    kept = keep(layers, observed=0.16, least=0.0, tolerance=0.15, squared=False)
    assert kept is not None
    assert kept.names == ("a",)
    assert kept.predicted == pytest.approx(0.16 * (3 / 16) ** 0.5)
    # A tolerance of 0.13 asks for 0.065, and without a there would still be 0.069.
    kept = keep(layers, observed=0.16, least=0.0, tolerance=0.13, squared=False)
    assert kept is not None
    assert len(kept.names) == 2


def test_what_few_rows_cost_anyway_is_not_laid_at_the_layers_door() -> None:
    assert names(FOUR, observed=0.21, least=0.05, tolerance=0.15) == ("a", "b")


def test_of_the_sets_that_would_do_the_cheapest_is_kept() -> None:
    layers = [
        Layer("dear", 6.0, 0.3),
        Layer("cheap", 5.0, 0.01),
        Layer("cheaper", 5.0, 0.005),
        Layer("other", 0.0, 0.4),
    ]
    # 0.079 of 0.16 may be left: any two of the three with an error would do.
    assert names(layers, observed=0.16, tolerance=0.158) == ("cheaper", "cheap")


def test_a_layer_of_no_time_is_not_kept_for_nothing() -> None:
    layers = [Layer("head", 0.1, 0.0), *FOUR]
    kept = names(layers)
    assert kept is not None
    assert "head" not in kept


@pytest.mark.parametrize(
    ("numbers", "why"),
    [
        ({"observed": 0.05}, "it is within the tolerance"),
        ({"least": 0.1}, "the rows prove nothing"),
        ({"tolerance": 0.0}, "nothing proves a drop of zero"),
        ({"tolerance": 0.0002}, "nearly all layers would have to be kept"),
    ],
)
def test_where_it_cannot_help_nothing_is_kept(numbers: dict[str, float], why: str) -> None:
    assert names(FOUR, **numbers) is None, why


def test_without_any_error_nothing_is_kept() -> None:
    assert names([Layer("a", 0.0, 0.1), Layer("b", 0.0, 0.1)]) is None
    assert names([]) is None


def test_it_is_close_to_the_cheapest_of_all_sets() -> None:
    generator = random.Random(0)  # noqa: S311 - an example, not a secret
    ratios = []
    for _ in range(60):
        layers = [Layer(str(n), generator.random() ** 3, generator.random() / 10) for n in range(9)]
        kept = keep(layers, observed=0.2, least=0.0, tolerance=0.16, squared=True)
        if kept is None:
            continue
        total = sum(layer.error for layer in layers)
        mean = sum(layer.time for layer in layers) / len(layers)
        needed = total * (1 - 0.08 / 0.2)
        best = min(
            sum(layer.time + mean for layer in chosen)
            for size in range(1, 9)
            for chosen in itertools.combinations(layers, size)
            if sum(layer.error for layer in chosen) >= needed
        )
        ratios.append((kept.time_share + mean * len(kept.names)) / best)
    assert len(ratios) > 30
    assert max(ratios) < 2
    assert sum(ratios) / len(ratios) < 1.1
