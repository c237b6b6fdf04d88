"""Scores against numbers worked out by hand."""

from __future__ import annotations

import math

import pytest
import torch

from core_plugin_torch.sparsity import importance
from core_plugin_torch.sparsity.statistics import Activations, Gram, Norms, rows_of


def test_magnitude() -> None:
    weight = torch.tensor([[-3.0, 2.0]])
    assert importance.l1(weight).tolist() == [[3.0, 2.0]]
    assert importance.l2(weight).tolist() == [[9.0, 4.0]]


def test_wanda_weighs_by_the_size_of_the_input() -> None:
    """A small weight on a large input matters more than a large one on a small input."""
    norms = Norms(2)
    norms.add(torch.tensor([[3.0, 0.0], [4.0, 0.1]]))
    scores = importance.wanda(torch.tensor([[1.0, 10.0]]), norms.norms)
    torch.testing.assert_close(scores, torch.tensor([[5.0, 1.0]]))


def test_movement_is_towards_zero_or_away_from_it() -> None:
    """A step of gradient descent is −g: it enlarges w where w and g have unlike signs."""
    weight, gradient = torch.tensor([2.0, 2.0, -2.0]), torch.tensor([0.5, -0.5, 0.5])
    assert importance.movement(weight, gradient).tolist() == [-1.0, 1.0, 1.0]


def test_movement_of_a_trained_weight() -> None:
    """For L = ½(w − t)², training from w₀ moves the score by (w − t)(−w): its sign is the side."""
    towards, away = torch.tensor(2.0), torch.tensor(2.0)
    scores = [0.0, 0.0]
    for _ in range(20):
        for place, (w, target) in enumerate(((towards, 0.5), (away, 5.0))):
            gradient = w - target
            scores[place] += float(importance.movement(w, gradient))
            w -= 0.1 * gradient
    assert scores[0] < 0 < scores[1]


def test_apoz_counts_what_is_not_above_zero() -> None:
    activations = torch.tensor([[0.0, 1.0, -0.1], [0.0, 2.0, 3.0]])
    assert importance.apoz(activations).tolist() == [1.0, 0.0, 0.5]


def test_statistics_add_up_over_rows() -> None:
    whole = torch.randn(30, 4, generator=torch.Generator().manual_seed(0))
    norms, gram, activations = Norms(4), Gram(4), Activations(4)
    for part in whole.split(7):
        for found in (norms, gram, activations):
            found.add(part)
    torch.testing.assert_close(gram.gram, whole.T @ whole)
    torch.testing.assert_close(norms.gram, (whole.T @ whole).diagonal())
    torch.testing.assert_close(norms.norms, whole.norm(dim=0))
    torch.testing.assert_close(gram.norms, whole.norm(dim=0))
    torch.testing.assert_close(activations.apoz, (whole <= 0).double().mean(dim=0))


@pytest.mark.parametrize("angle", [0.0, math.pi / 3, math.pi])
def test_block_influence_is_one_minus_the_cosine(angle: float) -> None:
    before = torch.tensor([[[1.0, 0.0], [2.0, 0.0]]])
    after = torch.tensor([math.cos(angle), math.sin(angle)]) * before.norm(dim=-1, keepdim=True)
    found = float(importance.block_influence(before, 3 * after))
    assert found == pytest.approx(1 - math.cos(angle), abs=1e-6)


def test_relative_error_is_that_of_the_output() -> None:
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(50, 6, generator=generator) @ torch.randn(6, 6, generator=generator)
    weight = torch.randn(3, 6, generator=generator)
    pruned = weight * torch.tensor([1.0, 0.0, 1.0, 1.0, 0.0, 1.0])
    lost = (inputs @ (weight - pruned).T).square().sum() / (inputs @ weight.T).square().sum()
    found = importance.relative_error(weight, pruned, inputs.T @ inputs)
    assert found == pytest.approx(float(lost), rel=1e-4)
    white = importance.relative_error(weight, pruned)
    assert white == pytest.approx(importance.relative_error(weight, pruned, torch.ones(6)))
    assert importance.relative_error(torch.zeros(2, 2), torch.zeros(2, 2)) == 0.0


def test_a_convolutions_tokens_are_its_patches() -> None:
    """A convolution is the product of its filters, as rows, with the patches."""
    layer = torch.nn.Conv2d(3, 5, 2, stride=2, padding=1, bias=False)
    image = torch.randn(2, 3, 6, 6)
    rows = rows_of(layer, image)
    expected = layer(image).flatten(2).transpose(1, 2).reshape(-1, 5)
    found = rows @ layer.weight.reshape(5, -1).T
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)
