"""Methods side by side on a module: how many zeros, where, and what they cost."""

from __future__ import annotations

import copy
from typing import get_args

import pytest
import torch
from sparsity_toys import INNER, WIDTH, Chain, Images, rows
from torch import nn

from core_plugin_torch.sparsity import sparsegpt
from core_plugin_torch.sparsity.methods import METHODS, MethodName
from core_plugin_torch.sparsity.patterns import matrix, parse, share_of_zeros
from core_plugin_torch.sparsity.prune import Distribution, Request, beats, prune
from hwcore.contract import UserError


def _request(
    method: MethodName = "magnitude-l1",
    pattern: str = "unstructured",
    share: float = 0.5,
    distribution: Distribution = "uniform",
    **more: tuple[str, ...],
) -> Request:
    return Request(method, parse(pattern), share, distribution, **more)


def _lost(model: nn.Module, pruned: nn.Module) -> float:
    with torch.no_grad():
        return sum(float((model(row) - pruned(row)).square().sum()) for row in rows(30))


@pytest.mark.parametrize("distribution", get_args(Distribution))
@pytest.mark.parametrize("pattern", ["unstructured", "1x4", "4x1", "2:4"])
@pytest.mark.parametrize("method", METHODS)
def test_every_method_makes_every_pattern(
    method: MethodName, pattern: str, distribution: Distribution
) -> None:
    request = _request(method, pattern, distribution=distribution)
    model = Chain()
    if pattern == "2:4" and distribution != "uniform":
        with pytest.raises(UserError, match="2:4 has the same share of zeros in every layer"):
            prune(model, request, forward=model, rows=rows())
        return
    beaten: list[None] = []
    layers = prune(model, request, forward=model, rows=rows(), beat=lambda: beaten.append(None))
    assert 0 < len(beaten) <= beats(model, request, len(rows()))
    assert all(request.pattern.followed_by(matrix(layer.weight)) for layer in layers.values())
    total = sum(layer.weight.numel() for layer in layers.values())
    zeros = sum(int((layer.weight == 0).sum()) for layer in layers.values())
    # Wanda rounds for each row, and here a row of blocks is four to eight of them.
    slack = 0.07 if method == "wanda" and distribution != "uniform" else 0.005
    assert zeros / total == pytest.approx(0.5, abs=slack)
    assert share_of_zeros(model.head.weight) == share_of_zeros(model.embed.weight) == 0.0


def test_data_pays() -> None:
    """On inputs with large channels, Wanda loses less than magnitude, and SparseGPT least."""
    model, lost = Chain(), {}
    for method in ("magnitude-l1", "wanda", "sparsegpt"):
        pruned = copy.deepcopy(model)
        prune(pruned, _request(method), forward=pruned, rows=rows(30))
        lost[method] = _lost(model, pruned)
    assert lost["sparsegpt"] < lost["wanda"] < lost["magnitude-l1"]


def test_wanda_compares_within_an_output() -> None:
    """Whatever an output's weights are worth beside another's, each loses half of its own."""
    model = Chain()
    model.layers[0].up.weight.data[:5] *= 1000
    prune(model, _request("wanda"), forward=model, rows=rows())
    assert (model.layers[0].up.weight == 0).sum(dim=1).tolist() == [WIDTH // 2] * INNER


def test_magnitude_moves_nothing_else() -> None:
    model, before = Chain(), Chain()
    prune(model, _request())
    for name, weight in model.named_parameters():
        was = before.get_parameter(name)
        kept = weight != 0
        assert torch.equal(weight[kept], was[kept])


def test_weights_are_given_new_tensors() -> None:
    """What they were mapped from, a file, stays as it is."""
    model = Chain()
    weight = model.layers[0].up.weight.data
    before = weight.clone()
    prune(model, _request("sparsegpt"), forward=model, rows=rows())
    assert torch.equal(weight, before)
    assert not torch.equal(model.layers[0].up.weight, before)


def test_sensitive_layers_keep_more() -> None:
    """A layer of equal weights loses most by each of them; one with some large ones, little."""
    model = Chain()
    model.layers[0].up.weight.data.fill_(0.1)
    model.layers[1].up.weight.data[:, ::2] *= 100
    prune(model, _request(distribution="sensitivity"))
    zeros = [share_of_zeros(block.up.weight) for block in model.layers]
    assert zeros[0] < 0.5 < zeros[1]


def test_one_threshold_takes_from_the_small() -> None:
    model = Chain()
    model.layers[1].up.weight.data *= 10
    prune(model, _request(distribution="global"))
    assert share_of_zeros(model.layers[1].up.weight) < 0.1
    others = [share_of_zeros(model.layers[place].down.weight) for place in range(3)]
    assert min(others) > 0.5


@pytest.mark.parametrize("method", METHODS)
def test_convolutions(method: MethodName) -> None:
    model = Images()
    images = [torch.randn(1, 3, 9, 9) for _ in range(8)]
    layers = prune(model, _request(method), forward=model, rows=images)
    assert list(layers) == ["first", "second", "head"]
    found = [share_of_zeros(layer.weight) for layer in layers.values()]
    assert found == pytest.approx([0.5] * 3, abs=0.04)


def test_embeddings_by_magnitude_alone() -> None:
    model = Chain()
    prune(model, _request(include=("embed",)))
    assert share_of_zeros(model.embed.weight) == 0.5
    with pytest.raises(UserError, match="wanda cannot prune embed, which is an embedding"):
        prune(model, _request("wanda", include=("embed",)), forward=model, rows=rows())


def test_grouped_convolutions_by_magnitude_alone() -> None:
    model = nn.Sequential(nn.Conv2d(4, 4, 3, groups=2))
    prune(model, _request())
    with pytest.raises(UserError, match="sparsegpt cannot prune 0, which is a grouped convolution"):
        prune(model, _request("sparsegpt"), forward=model, rows=[torch.randn(1, 4, 5, 5)])


def test_a_pattern_that_divides_not_every_layer() -> None:
    with pytest.raises(UserError, match="the pattern 4x1 does not divide head, which is 2 × 16"):
        prune(Chain(), _request(pattern="4x1", include=("head",)))


def test_no_rows() -> None:
    with pytest.raises(UserError, match="wanda needs calibration rows"):
        prune(Chain(), _request("wanda"))


def test_a_layer_that_no_row_reaches() -> None:
    model = Chain()
    model.layers[0].spare = nn.Linear(4, 4)
    with pytest.raises(UserError, match=r"the calibration rows do not reach layers\.0\.spare"):
        prune(model, _request("wanda"), forward=model, rows=rows())


@pytest.mark.parametrize("distribution", get_args(Distribution))
@pytest.mark.parametrize("value", [float("inf"), float("nan")])
def test_inputs_that_are_not_finite(value: float, distribution: Distribution) -> None:
    model = Chain()
    model.layers[0].down.bias.data[3] = value
    request = _request("sparsegpt", distribution=distribution)
    with pytest.raises(UserError, match=r"give layers\.1\.up inputs that are not finite") as caught:
        prune(model, request, forward=model, rows=rows())
    assert caught.value.hint == "Look for NaN or infinity in the model's weights."


@pytest.mark.parametrize("distribution", get_args(Distribution))
def test_inputs_that_a_method_can_make_nothing_of(
    distribution: Distribution, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise ValueError("the inputs' Hessian is not positive definite")

    monkeypatch.setattr(sparsegpt, "inverse_factor", fail)
    model, message = Chain(), r"layers\.0\.up cannot be pruned by sparsegpt: the inputs' Hessian is"
    with pytest.raises(UserError, match=message) as caught:
        prune(model, _request("sparsegpt", distribution=distribution), forward=model, rows=rows())
    assert caught.value.hint == (
        'Give more calibration rows, choose wanda, or leave it out: exclude=["layers.0.up"]'
    )
