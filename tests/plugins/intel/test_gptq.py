"""GPTQ against cases whose answer is known."""

from __future__ import annotations

from itertools import product

import pytest
import torch
from torch import Tensor

from core_plugin_intel import gptq, grid
from core_plugin_intel.grid import Grid

GROUP = 8


def drawn(outputs: int, inputs: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    """A weight, and ``X Xᵀ`` of inputs that go together, some of them large and some never seen."""
    made = torch.Generator().manual_seed(seed)
    weight = torch.randn(outputs, inputs, generator=made) * 0.1
    mixing = torch.eye(inputs) + 0.3 * torch.randn(inputs, inputs, generator=made)
    tokens = torch.randn(300, inputs, generator=made) @ mixing
    tokens[:, ::5] *= 6
    tokens[:, 3::16] = 0
    return weight, tokens.T @ tokens


def lost(weight: Tensor, made: Grid, gram: Tensor) -> Tensor:
    """Squared error of each output over the tokens, ``[outputs]``."""
    gap = (weight - made.values()).to(gram.dtype)
    return ((gap @ gram) * gap).sum(1)


def nearest(weight: Tensor, symmetric: bool, group: int = GROUP) -> Grid:
    return grid.nearest(weight, *grid.ranges(weight, group, symmetric))


def same(one: Grid, other: Grid) -> bool:
    pairs = ((one.codes, other.codes), (one.scale, other.scale), (one.zero, other.zero))
    return all(torch.equal(*pair) for pair in pairs)


@pytest.mark.parametrize("symmetric", [True, False])
@pytest.mark.parametrize("act_order", [True, False])
def test_without_correlation_it_rounds_to_nearest(symmetric: bool, act_order: bool) -> None:
    weight, gram = drawn(12, 48)
    for diagonal in (torch.ones(48), gram.diagonal(), torch.zeros(48)):
        made = gptq.quantize(
            weight, torch.diag(diagonal), GROUP, symmetric=symmetric, act_order=act_order
        )
        assert same(made, nearest(weight, symmetric))


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("symmetric", [True, False])
@pytest.mark.parametrize("act_order", [True, False])
def test_outputs_are_nearer_than_after_rounding_to_nearest(
    symmetric: bool, act_order: bool, seed: int
) -> None:
    weight, gram = drawn(24, 64, seed)
    made = gptq.quantize(weight, gram, GROUP, symmetric=symmetric, act_order=act_order)
    before = lost(weight, nearest(weight, symmetric), gram).sum()
    assert lost(weight, made, gram).sum() < 0.7 * before


def test_it_finds_what_trying_all_finds() -> None:
    """Two equal inputs: the second weight has to make up for the first."""
    weight = torch.tensor([[0.45, 0.35, 7.0, -7.0]])
    tokens = torch.tensor([[1.0, 1.0, 0.0, 0.0]])
    gram = tokens.T @ tokens
    made = gptq.quantize(weight, gram, 4, symmetric=True)
    assert made.values().tolist() == [[0.0, 1.0, 7.0, -7.0]]
    tried = []
    for codes in product(range(grid.LEVELS), repeat=2):
        other = made.codes.clone()
        other[0, :2] = torch.tensor(codes)
        tried.append(float(lost(weight, Grid(other, made.scale, made.zero), gram)))
    assert float(lost(weight, made, gram)) == pytest.approx(min(tried))
    assert float(lost(weight, nearest(weight, True, 4), gram)) > 10 * min(tried)


@pytest.mark.parametrize("act_order", [True, False])
def test_the_last_column_is_the_best_there_is(act_order: bool) -> None:
    """With all others settled the error is a parabola of it: each of its codes can be tried."""
    weight, gram = drawn(32, 16)
    made = gptq.quantize(weight, gram, 16, symmetric=False, act_order=act_order)
    # What was never seen comes after all in the order by activations, and is bound to nothing.
    seen = torch.where(gram.diagonal() > 0, gram.diagonal(), torch.inf)
    last = int(seen.argmin()) if act_order else 15
    tried = []
    for code in range(grid.LEVELS):
        codes = made.codes.clone()
        codes[:, last] = code
        tried.append(lost(weight, Grid(codes, made.scale, made.zero), gptq.damped(gram)))
    assert torch.equal(torch.stack(tried).argmin(0), made.codes[:, last].long())


def test_an_order_by_activations_keeps_groups_of_neighbours() -> None:
    weight, gram = drawn(24, 64)
    made = gptq.quantize(weight, gram, GROUP, symmetric=False, act_order=True)
    scale, zero = grid.ranges(weight, GROUP, False)
    assert torch.equal(made.scale, scale)
    assert torch.equal(made.zero, zero)
    # Read with the grid of another group, values would have nothing to do with the weights.
    assert (made.values() - weight).norm() < 0.3 * weight.norm()


def test_the_loudest_column_comes_first_in_that_order() -> None:
    """What is rounded first is rounded to nearest: nothing has to be made up for yet."""
    weight, gram = drawn(24, 64)
    gram[20, 20] *= 10
    made = gptq.quantize(weight, gram, GROUP, symmetric=False, act_order=True)
    assert torch.equal(made.codes[:, 20], nearest(weight, False).codes[:, 20])


@pytest.mark.parametrize("act_order", [True, False])
def test_windows_make_no_difference(act_order: bool) -> None:
    weight, gram = drawn(24, 64)
    first, *others = (
        gptq.quantize(weight, gram, GROUP, symmetric=True, act_order=act_order, window=window)
        for window in (64, 8, 20, 1)
    )
    for other in others:
        # Sums in another order: what is on the border of two steps may go the other way.
        assert (first.codes != other.codes).float().mean() < 0.02


def test_an_input_that_was_not_seen_is_rounded_to_nearest() -> None:
    weight, gram = drawn(24, 64)
    unseen = gram.diagonal() == 0
    assert unseen.any()
    made = gptq.quantize(weight, gram, GROUP, symmetric=False)
    plain = grid.nearest(weight, made.scale, made.zero)
    assert torch.equal(made.codes[:, unseen], plain.codes[:, unseen])
    assert not torch.equal(made.codes, plain.codes)


def test_what_is_given_is_not_changed() -> None:
    weight, gram = drawn(8, 16)
    before = weight.clone(), gram.clone()
    gptq.quantize(weight, gram, GROUP, symmetric=True)
    assert torch.equal(weight, before[0])
    assert torch.equal(gram, before[1])
