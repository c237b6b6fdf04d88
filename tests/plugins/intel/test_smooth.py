"""SmoothQuant's scales, and what they do to a graph."""

from __future__ import annotations

import pytest
import torch
from intel_modules import SIGNATURE, Block, Shared

from core_plugin_intel import program, smooth, smoothing


def test_half_of_the_outliers_gives_equal_maxima() -> None:
    activations = torch.tensor([100.0, 4.0])
    weights = torch.tensor([[0.25, 1.0], [-1.0, 0.5]])
    found = smooth.scales(activations, weights, 0.5)
    assert found.tolist() == [10.0, 2.0]  # sqrt(100 / 1), sqrt(4 / 1)
    torch.testing.assert_close(activations / found, weights.abs().amax(0) * found)


def test_alpha_says_how_much_moves() -> None:
    activations, weights = torch.tensor([16.0]), torch.tensor([[2.0]])
    assert smooth.scales(activations, weights, 1.0).tolist() == [16.0]
    assert smooth.scales(activations, weights, 0.0).tolist() == [0.5]


def test_a_dead_channel_is_left_alone() -> None:
    found = smooth.scales(torch.tensor([0.0, 3.0, 9.0]), torch.tensor([[1.0, 0.0, 1.0]]), 0.5)
    assert found.tolist() == [1.0, 1.0, 3.0]


def test_a_smoothed_graph_computes_what_it_did() -> None:
    torch.manual_seed(0)
    block = Block().eval().requires_grad_(False)
    captured = program.capture(block, SIGNATURE)
    graph = program.graph_of(captured)
    groups = smoothing.groups(graph)
    assert [len(group.readers) for group in groups] == [2, 1]
    x = torch.randn(2, 5, 8) * torch.tensor([100.0] + 7 * [1.0])
    before = graph(x)[0]
    smoothing.apply(graph, groups, [(x,)], 0.5)
    torch.testing.assert_close(graph(x)[0], before, rtol=1e-4, atol=1e-4)
    # The normalization took the scales of its readers; before the last layer there is a product.
    products = [node for node in graph.graph.nodes if node.target is smoothing.MULTIPLY]
    assert len(products) == 2
    scaled = graph.get_parameter("norm.weight").data
    assert not torch.allclose(scaled, torch.ones(8))


def test_weights_that_are_read_twice_are_left_alone() -> None:
    module = Shared().eval().requires_grad_(False)
    graph = program.graph_of(program.capture(module, SIGNATURE))
    assert smoothing.groups(graph) == []


@pytest.mark.parametrize("alpha", [0.2, 0.8])
def test_outliers_become_smaller(alpha: float) -> None:
    activations = torch.tensor([100.0, 1.0, 1.0, 1.0])
    weights = torch.full((3, 4), 0.1)
    smoothed = activations / smooth.scales(activations, weights, alpha)
    assert smoothed.max() / smoothed.min() < 100
