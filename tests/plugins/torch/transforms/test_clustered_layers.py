"""Layers of packed codes in a model: which, what they give, and what cannot be."""

from __future__ import annotations

import copy

import pytest
import sparsity_toys
import torch
from sparsity_toys import Chain
from torch import nn

from core_plugin_torch.cluster.layers import (
    ClusteredConv2d,
    ClusteredEmbedding,
    ClusteredLinear,
    chosen,
    replace,
)
from core_plugin_torch.cluster.options import ClusterOptions
from core_plugin_torch.cluster.weights import Clustered, codebooks, size
from hwcore.contract import UserError

EVERYTHING = ("*",)


def _clustered(model: nn.Module, options: ClusterOptions) -> dict[str, Clustered]:
    return replace(model, chosen(model, options), options)


def _few_values(model: nn.Module) -> None:
    """Give every weight sixteen values."""
    with torch.no_grad():
        for weight in model.parameters():
            if weight.dim() > 1:
                weight.copy_((weight / weight.abs().max() * 7).round() / 8)


@pytest.mark.parametrize(
    ("bits", "rows"), [(4, None), (5, None), (6, None), (7, None), (8, None), (4, 5), (5, 7)]
)
def test_a_model_of_few_values_answers_as_before(bits: int, rows: int | None) -> None:
    model = Chain()
    _few_values(model)
    [row, *_] = sparsity_toys.rows()
    with torch.no_grad():
        before = model(row)
        found = _clustered(model, ClusterOptions(bits=bits, rows=rows, include=EVERYTHING))
        assert torch.equal(model(row), before)
    assert isinstance(model.layers[0].up, ClusteredLinear) == ("layers.0.up" in found)
    assert isinstance(model.embed, ClusteredEmbedding) == ("embed" in found)
    assert len(found) >= 3


@pytest.mark.parametrize(
    "layer",
    [
        nn.Conv2d(4, 6, 3, stride=2, padding=1),
        nn.Conv2d(4, 6, (1, 3), padding="same", dilation=2, groups=2, bias=False),
    ],
)
def test_convolutions_keep_their_geometry(layer: nn.Conv2d) -> None:
    model = nn.Sequential(copy.deepcopy(layer))
    _few_values(model)
    image = torch.randn(2, 4, 9, 11)
    with torch.no_grad():
        before = model(image)
        _clustered(model, ClusterOptions(bits=4))
        assert isinstance(model[0], ClusteredConv2d)
        assert torch.equal(model(image), before)
        assert model[0].weight.shape == layer.weight.shape


def test_zeros_stay_where_they_are() -> None:
    model = Chain()
    masks = {}
    with torch.no_grad():
        for name, layer in chosen(model, ClusterOptions()).items():
            layer.weight.mul_(torch.rand_like(layer.weight) < 0.3)
            masks[name] = layer.weight == 0
    found = _clustered(model, ClusterOptions(bits=2))
    for name, mask in masks.items():
        assert torch.equal(found[name]() == 0, mask)


def test_outputs_have_the_codebook_of_their_group() -> None:
    weight = torch.cat([torch.tensor([1.0, 2.0]).repeat(3, 4) * 10**n for n in range(3)])
    made = Clustered(weight, 2, 3, lambda: None)
    assert torch.equal(made(), weight)
    assert made.codebooks.tolist() == [[10.0**n, 2 * 10.0**n, 0, 0] for n in range(3)]
    assert codebooks(weight, 3) == 3
    assert codebooks(weight, 4) == 3
    assert codebooks(weight, None) == 1
    assert torch.equal(made.rows(torch.tensor([[8], [0]])), weight[torch.tensor([[8], [0]])])


@pytest.mark.parametrize("rows", [None, 5])
@pytest.mark.parametrize("bits", [2, 5, 8])
def test_the_size_is_that_of_what_is_stored(bits: int, rows: int | None) -> None:
    weight = torch.randn(12, 11)
    stored = sum(buffer.nbytes for buffer in Clustered(weight, bits, rows, lambda: None).buffers())
    assert size(weight, bits, rows) == stored


def test_a_layer_in_two_places_stays_one() -> None:
    model = Chain()
    model.layers[1].up = model.layers[0].up
    _clustered(model, ClusterOptions())
    assert isinstance(model.layers[0].up, ClusteredLinear)
    assert model.layers[1].up is model.layers[0].up


@pytest.mark.parametrize(
    ("options", "message", "hint"),
    [
        (
            ClusterOptions(exclude=("layers.0.dwn",)),
            r"no layer is called 'layers\.0\.dwn'",
            "Near names: layers.0.down",
        ),
        (
            ClusterOptions(exclude=("layers",)),
            "no layer is left to cluster",
            "Take patterns out of exclude",
        ),
        (
            ClusterOptions(bits=8, rows=1),
            "no layer would be smaller: codebooks of 256 values take as much as the weights do",
            "Choose fewer bits, or a codebook for more rows.",
        ),
    ],
)
def test_what_cannot_be(options: ClusterOptions, message: str, hint: str) -> None:
    with pytest.raises(UserError, match=message) as caught:
        _clustered(Chain(), options)
    assert str(caught.value.hint).startswith(hint)


def test_weights_that_are_no_numbers_are_refused() -> None:
    model = Chain()
    model.layers[2].down.weight.data[0, 0] = torch.nan
    with pytest.raises(UserError, match=r"the weights of layers\.2\.down are not finite"):
        _clustered(model, ClusterOptions())


def test_other_padding_is_refused() -> None:
    model = nn.Sequential(nn.Conv2d(4, 8, 3, padding=1, padding_mode="circular"))
    with pytest.raises(UserError, match="0 cannot be clustered: it is padded by circular") as e:
        _clustered(model, ClusterOptions())
    assert e.value.hint == 'Leave it out: exclude=["0"]'
