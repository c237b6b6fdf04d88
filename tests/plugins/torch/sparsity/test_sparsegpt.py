"""SparseGPT against least squares, which is what it solves."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from core_plugin_torch.sparsity.patterns import Blocks, matrix, parse, share_of_zeros
from core_plugin_torch.sparsity.sparsegpt import inverse_factor, scores, sparsegpt


@pytest.fixture
def inputs() -> Tensor:
    """Tokens whose coordinates have much to do with each other."""
    generator = torch.Generator().manual_seed(0)
    mixing = torch.randn(16, 16, generator=generator) + torch.eye(16)
    return torch.randn(400, 16, generator=generator) @ mixing


def _lost(weight: Tensor, pruned: Tensor, inputs: Tensor) -> float:
    return float((inputs @ (weight - pruned).T).square().sum())


def test_the_first_column_is_made_up_for_by_least_squares(inputs: Tensor) -> None:
    """One weight goes, the one before all others: what is left is the best that there is."""
    weight = torch.randn(1, 16, generator=torch.Generator().manual_seed(1))
    weight[0, 0] = 1e-3  # the least score, whatever the inputs
    found = sparsegpt(weight, inputs.T @ inputs, Blocks(), 1 / 16, damping=0.0)
    assert found[0, 0] == 0
    best = torch.linalg.lstsq(inputs[:, 1:], inputs @ weight[0]).solution
    torch.testing.assert_close(found[0, 1:], best, rtol=1e-3, atol=1e-4)


def test_a_column_moves_only_those_after_it(inputs: Tensor) -> None:
    """The last column of all goes: nothing is left to make up for it."""
    weight = torch.ones(1, 16)
    weight[0, -1] = 1e-4
    found = sparsegpt(weight, inputs.T @ inputs, Blocks(), 1 / 16)
    assert found.tolist() == [[1.0] * 15 + [0.0]]


def test_windows_change_the_choice_and_not_the_sum(inputs: Tensor) -> None:
    """The lazy update of later windows is the same update: with a mask that no window changes."""
    weight = torch.randn(8, 16, generator=torch.Generator().manual_seed(2))
    gram = inputs.T @ inputs
    whole = sparsegpt(weight, gram, parse("2:4"), 0.5)
    for window in (4, 8):
        parts = sparsegpt(weight, gram, parse("2:4"), 0.5, window=window)
        torch.testing.assert_close(parts, whole, rtol=1e-3, atol=1e-4)


def test_unrelated_inputs_leave_nothing_to_make_up_with() -> None:
    """H diagonal: the score is w²·h, nothing moves, and the result is Wanda's."""
    weight = torch.tensor([[1.0, 2.0, 3.0, 4.0]])
    gram = torch.diag(torch.tensor([100.0, 9.0, 1.0, 1.0]))
    assert sparsegpt(weight, gram, Blocks(), 0.5, damping=0.0).tolist() == [[1.0, 2.0, 0.0, 0.0]]
    expected = weight.square() * gram.diagonal()
    torch.testing.assert_close(scores(weight, gram, damping=0.0), expected)


@pytest.mark.parametrize("name", ["unstructured", "1x4", "4x1", "2x2", "2:4", "1:4"])
def test_it_loses_less_than_leaving_the_rest_alone(name: str, inputs: Tensor) -> None:
    pattern = parse(name)
    weight = torch.randn(32, 16, generator=torch.Generator().manual_seed(3))
    share = pattern.fixed_share or 0.5
    found = sparsegpt(weight, inputs.T @ inputs, pattern, share)
    assert pattern.followed_by(found)
    assert share_of_zeros(found) == pytest.approx(share, abs=1e-6)
    magnitude = weight * pattern.mask(weight.abs(), share)
    assert _lost(weight, found, inputs) < 0.9 * _lost(weight, magnitude, inputs)
    assert _lost(weight, found, inputs) < 0.9 * _lost(weight, weight * (found != 0), inputs)


def test_inputs_that_no_token_had_go_first_and_stay_apart(inputs: Tensor) -> None:
    inputs[:, 3] = 0
    weight = torch.randn(4, 16, generator=torch.Generator().manual_seed(4))
    weight[:, 3] = 100
    found = sparsegpt(weight, inputs.T @ inputs, Blocks(), 0.25)
    assert bool((found[:, 3] == 0).all())
    little = sparsegpt(weight, inputs.T @ inputs, Blocks(), 1 / 64)
    assert int((little[:, 3] == 100).sum()) == 3


def test_a_window_is_made_of_whole_groups(inputs: Tensor) -> None:
    weight = torch.randn(4, 15, generator=torch.Generator().manual_seed(5))
    gram = inputs[:, :15].T @ inputs[:, :15]
    found = sparsegpt(weight, gram, parse("1x5"), 0.34, window=7)
    assert parse("1x5").followed_by(matrix(found))


def test_few_tokens_are_damped() -> None:
    """Fewer tokens than inputs: the Hessian is singular without damping."""
    tokens = torch.randn(3, 16, generator=torch.Generator().manual_seed(6))
    upper = inverse_factor(tokens.T @ tokens)
    assert bool(upper.isfinite().all())
    found = inverse_factor(tokens.T @ tokens, damping=0.0)
    assert bool(found.isfinite().all())


def test_the_factor_is_that_of_the_inverse(inputs: Tensor) -> None:
    gram = inputs.T @ inputs
    upper = inverse_factor(gram, damping=0.0)
    torch.testing.assert_close(upper.T @ upper @ gram, torch.eye(16), rtol=0, atol=1e-2)
    assert bool((upper.tril(-1) == 0).all())


def test_a_hessian_that_is_none() -> None:
    gram = torch.eye(4)
    gram[1, 0] = float("nan")
    with pytest.raises(ValueError, match="Hessian is not positive definite"):
        inverse_factor(gram)


def test_the_weight_given_is_left_as_it_was(inputs: Tensor) -> None:
    weight, gram = torch.randn(4, 16), inputs.T @ inputs
    before = weight.clone(), gram.clone()
    sparsegpt(weight, gram, Blocks(), 0.5)
    torch.testing.assert_close((weight, gram), before, rtol=0, atol=0)
