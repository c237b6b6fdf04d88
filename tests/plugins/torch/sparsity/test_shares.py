"""Shares per layer: their mean is what was asked for, and who gives most is who should."""

from __future__ import annotations

import pytest
import torch

from core_plugin_torch.sparsity import shares


def _mean(found: dict[str, float], sizes: dict[str, int]) -> float:
    return sum(found[name] * size for name, size in sizes.items()) / sum(sizes.values())


def test_one_threshold_for_two_uniform_layers() -> None:
    """Scores even on [0, 1] and [0, 3], sizes alike, half of all: t/1 + t/3 = 1, so t = ¾."""
    points = torch.linspace(0, 1, 4001)
    found = shares.by_threshold(
        {"small": shares.sketch(points, 4000), "large": shares.sketch(3 * points, 4000)}, 0.5
    )
    assert found["small"] == pytest.approx(0.75, abs=1e-3)
    assert found["large"] == pytest.approx(0.25, abs=1e-3)


def test_one_threshold_weighs_layers_by_size() -> None:
    generator = torch.Generator().manual_seed(0)
    sizes = {"a": 100, "b": 5000, "c": 40000}
    sketches = {
        name: shares.sketch(torch.rand(size, generator=generator) * place, size)
        for place, (name, size) in enumerate(sizes.items(), 1)
    }
    for share in (0.1, 0.5, 0.9):
        assert _mean(shares.by_threshold(sketches, share), sizes) == pytest.approx(share, abs=1e-3)


def test_no_layer_is_emptied_for_the_others() -> None:
    found = shares.by_threshold(
        {
            "tiny": shares.sketch(torch.rand(1000), 1000),
            "rest": shares.sketch(100 + torch.rand(9000), 9000),
        },
        0.5,
    )
    assert found["tiny"] == shares.MOST
    assert _mean(found, {"tiny": 1000, "rest": 9000}) == pytest.approx(0.5, abs=1e-3)


def test_equal_scores_are_no_obstacle() -> None:
    found = shares.by_threshold({"flat": shares.sketch(torch.ones(100), 100)}, 0.5)
    assert 0 <= found["flat"] <= 1


def test_the_sensitive_layer_keeps_more() -> None:
    sizes = {"a": 100, "b": 100, "c": 100}
    found = shares.by_sensitivity({"a": 0.0, "b": 0.5, "c": 1.0}, sizes, 0.6, spread=0.1)
    assert found == pytest.approx({"a": 0.7, "b": 0.6, "c": 0.5})


def test_sensitivity_weighs_layers_by_size() -> None:
    sizes = {"a": 100, "b": 900}
    found = shares.by_sensitivity({"a": 0.0, "b": 1.0}, sizes, 0.6, spread=0.1)
    assert found["a"] > found["b"]
    assert _mean(found, sizes) == pytest.approx(0.6)


@pytest.mark.parametrize("share", [0.02, 0.97, 0.99])
def test_sensitivity_stays_within_what_can_be(share: float) -> None:
    sizes = {"a": 100, "b": 300, "c": 100}
    found = shares.by_sensitivity({"a": 0.0, "b": 0.2, "c": 1.0}, sizes, share, spread=0.5)
    assert all(0 <= value <= max(share, shares.MOST) + 1e-9 for value in found.values())
    assert _mean(found, sizes) == pytest.approx(share)


def test_layers_that_are_alike_get_the_same() -> None:
    assert shares.by_sensitivity({"a": 0.3, "b": 0.3}, {"a": 1, "b": 2}, 0.5, spread=0.2) == {
        "a": 0.5,
        "b": 0.5,
    }
