"""Ways to round a weight to 4 bits: each is better than the plainest at what it is for."""

from __future__ import annotations

import pytest
import torch

from core_plugin_intel import awq, grid, rounding, signround

GROUP = 16


@pytest.fixture(scope="module")
def layer() -> tuple[torch.Tensor, torch.Tensor]:
    """A weight, and inputs some of whose channels are much larger than the others."""
    made = torch.Generator().manual_seed(0)
    weight = torch.randn(24, 64, generator=made) * 0.1
    inputs = torch.randn(300, 64, generator=made)
    inputs[:, ::13] *= 12
    return weight, inputs


def lost(weight: torch.Tensor, values: torch.Tensor, inputs: torch.Tensor) -> float:
    return float((inputs @ (weight - values).T).square().mean())


def plain(weight: torch.Tensor, symmetric: bool) -> torch.Tensor:
    return grid.nearest(weight, *grid.ranges(weight, GROUP, symmetric)).values()


@pytest.mark.parametrize("symmetric", [True, False])
def test_the_library_rounds_as_the_grid_does(
    layer: tuple[torch.Tensor, torch.Tensor], symmetric: bool
) -> None:
    weight, _ = layer
    made = rounding.nearest(weight, GROUP, symmetric=symmetric, search=False)
    torch.testing.assert_close(made.values(), plain(weight, symmetric), atol=1e-6, rtol=0)


def test_a_searched_range_has_a_smaller_error(layer: tuple[torch.Tensor, torch.Tensor]) -> None:
    weight, _ = layer
    spiked = weight.clone()
    spiked[:, ::GROUP] *= 3
    errors = [
        float((rounding.nearest(spiked, GROUP, symmetric=True, search=s).values() - spiked).norm())
        for s in (False, True)
    ]
    assert errors[1] <= errors[0]


def test_half_quadratic_zero_points_are_closer(layer: tuple[torch.Tensor, torch.Tensor]) -> None:
    weight, _ = layer
    made = rounding.half_quadratic(weight, GROUP)
    assert made.scale.shape == (24, 4)
    assert not torch.equal(made.zero, made.zero.round())
    assert (made.values() - weight).norm() < (plain(weight, False) - weight).norm()
    assert not made.values().is_inference()  # a graph can be captured with it


@pytest.mark.parametrize("symmetric", [True, False])
def test_awq_saves_the_channels_that_matter(
    layer: tuple[torch.Tensor, torch.Tensor], symmetric: bool
) -> None:
    weight, inputs = layer
    made, inverse = awq.quantize(weight, inputs, GROUP, symmetric=symmetric)
    values = made.values() * inverse
    assert lost(weight, values, inputs) < 0.7 * lost(weight, plain(weight, symmetric), inputs)
    loud, quiet = inverse[::13].mean(), inverse.mean()
    assert loud < quiet  # what comes in large is made smaller, its weights larger


def test_awq_takes_channels_that_are_never_used() -> None:
    weight = torch.randn(4, 16)
    made, inverse = awq.quantize(weight, torch.zeros(10, 16), 16, symmetric=False)
    assert torch.isfinite(made.values()).all()
    assert torch.isfinite(inverse).all()


def test_signround_learns_which_way_to_round(layer: tuple[torch.Tensor, torch.Tensor]) -> None:
    """Inputs that go together let the errors of their weights cancel."""
    weight, inputs = layer
    mixing = torch.eye(64) + 0.2 * torch.randn(64, 64, generator=torch.Generator().manual_seed(1))
    inputs = inputs @ mixing
    learned = signround.quantize(weight, inputs, GROUP, symmetric=False, iterations=60).values()
    assert lost(weight, learned, inputs) < 0.4 * lost(weight, plain(weight, False), inputs)


def test_signround_finds_what_trying_all_finds() -> None:
    """Two equal inputs: the errors of their weights have to cancel, which rounding cannot see."""
    weight = torch.tensor([[0.45, 0.35, 7.0, -7.0]])
    inputs = torch.tensor([[1.0, 1.0, 0.0, 0.0]])
    nearest = plain_of(weight)
    assert nearest.tolist() == [[0.0, 0.0, 7.0, -7.0]]
    learned = signround.quantize(weight, inputs, 4, symmetric=True, iterations=200).values()
    assert lost(weight, learned, inputs) < 0.1 * lost(weight, nearest, inputs)


def plain_of(weight: torch.Tensor) -> torch.Tensor:
    return grid.nearest(weight, *grid.ranges(weight, weight.shape[1], True)).values()


def test_signround_keeps_zeros_and_is_never_worse() -> None:
    made = torch.Generator().manual_seed(1)
    weight = torch.randn(8, 32, generator=made)
    weight[torch.rand(8, 32, generator=made) < 0.5] = 0
    inputs = torch.randn(50, 32, generator=made)
    learned = signround.quantize(weight, inputs, GROUP, symmetric=False, iterations=20)
    assert (learned.values()[weight == 0] == 0).all()
    assert lost(weight, learned.values(), inputs) <= lost(weight, plain(weight, False), inputs)


def test_signround_can_be_stopped() -> None:
    calls = 0

    def stop() -> None:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        signround.quantize(
            torch.randn(2, 16), torch.randn(3, 16), 16, symmetric=True, iterations=50, between=stop
        )
    assert calls == 3
