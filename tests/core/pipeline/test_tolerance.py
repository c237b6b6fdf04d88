"""How far apart two outputs may be."""

from __future__ import annotations

import numpy as np
import pytest

from hwcore.contract import Traits
from hwcore.pipeline.tolerance import (
    BFLOAT16,
    FLOAT32,
    QUANTIZED,
    Difference,
    difference,
    tolerance_for,
)


@pytest.mark.parametrize(
    ("quantization", "tolerance"),
    [(None, FLOAT32), ("bf16", BFLOAT16), ("int8-dynamic", QUANTIZED), ("int4-weight", QUANTIZED)],
)
def test_a_step_is_held_to_what_its_parent_still_has(
    quantization: str | None, tolerance: object
) -> None:
    assert tolerance_for(Traits(quantization=quantization)) is tolerance


def test_errors_are_relative_to_the_size_of_the_output() -> None:
    reference = np.array([3.0, -4.0, 0.0, 0.0])  # root mean square 2.5
    half_in_one = np.array([0, 0, 0.5, 0])
    for size in (1e-2, 1.0, 1e6):
        found = difference(size * reference, size * (reference + half_in_one))
        assert found.max_error == pytest.approx(0.2)
        assert found.rms_error == pytest.approx(0.1)


def test_outputs_near_zero_have_a_floor() -> None:
    found = difference(np.zeros(4), np.full(4, 1e-6))
    assert found == Difference(pytest.approx(1e-3), pytest.approx(1e-3))


@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("side", ["expected", "actual", "both"])
def test_what_is_no_number_is_within_no_tolerance(number: float, side: str) -> None:
    good, bad = np.ones(3, np.float32), np.array([1, number, 1], np.float32)
    expected, actual = {"expected": (bad, good), "actual": (good, bad), "both": (bad, bad)}[side]
    assert not difference(expected, actual).within(QUANTIZED)


def test_both_bounds_hold() -> None:
    assert Difference(2e-3, 2e-4).within(FLOAT32)
    assert not Difference(2.1e-3, 0).within(FLOAT32)
    assert not Difference(0, 2.1e-4).within(FLOAT32)


def test_narrow_dtypes_are_compared_as_numbers() -> None:
    exact = np.array([1.0, 2.0], np.float32)
    assert difference(exact, exact.astype(np.float16)) == Difference(0, 0)
    assert difference(np.array([1, 2]), np.array([1, 3])).max_error > 0.5
