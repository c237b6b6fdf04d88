"""The cubic schedule of arXiv 1710.01878, by hand."""

from __future__ import annotations

import pytest

from core_plugin_torch.recovery.schedule import CubicSchedule


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        (0, 0.0),
        (10, 0.0),
        (60, 0.8 - 0.8 * 0.5**3),
        (85, 0.8 - 0.8 * 0.25**3),
        (110, 0.8),
        (9999, 0.8),
    ],
)
def test_of_a_dense_model(step: int, expected: float) -> None:
    schedule = CubicSchedule(initial=0.0, final=0.8, begin=10, end=110)
    assert schedule.share(step) == pytest.approx(expected)


def test_of_a_model_with_zeros() -> None:
    schedule = CubicSchedule(initial=0.5, final=0.9, begin=0, end=4)
    assert [schedule.share(step) for step in range(5)] == pytest.approx(
        [0.5, 0.9 - 0.4 * 0.75**3, 0.9 - 0.4 * 0.5**3, 0.9 - 0.4 * 0.25**3, 0.9]
    )


def test_all_at_once() -> None:
    schedule = CubicSchedule(initial=0.0, final=0.8, begin=3, end=3)
    assert [schedule.share(step) for step in (2, 3, 4)] == [0.0, 0.8, 0.8]
