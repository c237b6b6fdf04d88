"""Layers of two in a model: which, of what rank, and what cannot be."""

from __future__ import annotations

import pytest
import sparsity_toys
import torch
from sparsity_toys import Chain
from torch import nn

from core_plugin_torch.lowrank.factors import decompose
from core_plugin_torch.lowrank.layers import (
    Factored,
    Want,
    by_rows,
    by_weights,
    chosen,
)
from core_plugin_torch.lowrank.options import LowRankOptions
from hwcore.contract import UserError


def _factorized(model: nn.Module, options: LowRankOptions) -> dict[str, int]:
    made = by_weights(model, chosen(model, options), Want.of(options))
    assert all(model.get_submodule(name) is layer for name, layer in made.items())
    return {name: layer.rank for name, layer in made.items()}


def _of_rank(model: Chain, rank: int) -> None:
    """Give every layer a weight of this rank."""
    for layer in model.modules():
        if isinstance(layer, nn.Linear):
            left, values, right = torch.linalg.svd(layer.weight.detach(), full_matrices=False)
            layer.weight.data = (left * values)[:, :rank] @ right[:rank]


@pytest.mark.parametrize("by", [{"rank": 3}, {"energy": 1.0}])
def test_a_model_of_low_rank_answers_as_before(by: dict[str, float]) -> None:
    model = Chain()
    _of_rank(model, 3)
    [row, *_] = sparsity_toys.rows()
    with torch.no_grad():
        before = model(row)
        assert set(_factorized(model, LowRankOptions(**by)).values()) == {3}  # type: ignore[arg-type]
        torch.testing.assert_close(model(row), before, rtol=1e-4, atol=1e-4)
    assert isinstance(model.layers[0].up, Factored)
    assert isinstance(model.head, nn.Linear)


def test_half_of_the_parameters_are_kept_unless_said() -> None:
    model = Chain()
    before = sum(weight.numel() for weight in model.layers.parameters())
    assert set(_factorized(model, LowRankOptions()).values()) == {16 * 32 // 2 // 48}
    after = sum(weight.numel() for weight in model.layers.parameters())
    biases = 3 * (16 + 32)
    assert after - biases <= (before - biases) / 2


def test_a_layer_of_two_has_the_weight_and_the_bias_of_one() -> None:
    model = Chain()
    bias = model.layers[0].up.bias
    _factorized(model, LowRankOptions(rank=2, include=("layers.0.up",)))
    layer = model.layers[0].up
    assert layer.weight.shape == (32, 16)
    assert torch.linalg.matrix_rank(layer.weight) == 2
    assert layer.bias is bias


def test_layers_that_would_not_be_smaller_stay() -> None:
    """Factors of a 32 × 16 layer save below rank 11, those of a 2 × 16 one below rank 2."""
    options = LowRankOptions(rank=2, include=("head", "layers.1.up"))
    assert _factorized(Chain(), options) == {"layers.1.up": 2}


def test_a_layer_in_two_places_stays_one() -> None:
    model = Chain()
    model.layers[1].up = model.layers[0].up
    _factorized(model, LowRankOptions(rank=2))
    assert isinstance(model.layers[0].up, Factored)
    assert model.layers[1].up is model.layers[0].up


def test_rows_lower_the_error_of_the_answers() -> None:
    rows = sparsity_toys.rows()
    options = LowRankOptions(rank=4)
    with torch.no_grad():
        expected = [Chain()(row) for row in rows]

        def error(model: Chain) -> float:
            return sum(
                float((model(row) - answer).norm())
                for row, answer in zip(rows, expected, strict=True)
            )

        plain = Chain()
        _factorized(plain, options)
        aware = Chain()
        layers = chosen(aware, options)
        made = by_rows(aware, layers, Want.of(options), aware, rows)
        assert list(made) == list(layers)
        assert all(aware.get_submodule(name) is layer for name, layer in made.items())
        assert {layer.rank for layer in made.values()} == {4}
        assert error(aware) < 0.8 * error(plain)


def test_a_block_sees_what_the_factors_before_it_make() -> None:
    rows = sparsity_toys.rows()
    model = Chain()
    layers = chosen(model, LowRankOptions(rank=2))
    alone, original = Chain(), layers["layers.1.up"].weight.detach().clone()
    made = by_rows(model, layers, Want("rank", 2), model, rows)
    seen: list[torch.Tensor] = []
    hook = made["layers.1.up"].register_forward_pre_hook(
        lambda _, given: seen.append(given[0].reshape(-1, given[0].shape[-1]))
    )
    with torch.no_grad():
        for row in rows:
            model(row)
    hook.remove()
    inputs = torch.cat(seen)
    expected = decompose(original, inputs.T @ inputs).truncated(2).product()
    torch.testing.assert_close(made["layers.1.up"].weight, expected, rtol=1e-3, atol=1e-4)
    assert not torch.allclose(alone.layers[1].up.weight, made["layers.1.up"].weight)


@pytest.mark.parametrize("with_rows", [False, True])
def test_layers_that_are_replaced_hold_no_weights(with_rows: bool) -> None:
    model = Chain()
    layers = chosen(model, LowRankOptions(rank=2))
    if with_rows:
        by_rows(model, layers, Want("rank", 2), model, sparsity_toys.rows())
    else:
        by_weights(model, layers, Want("rank", 2))
    assert not any("weight" in dict(layer.named_parameters()) for layer in layers.values())


def test_rows_that_are_no_numbers_are_refused() -> None:
    model = Chain()
    model.embed.weight.data.fill_(torch.nan)
    layers = chosen(model, LowRankOptions())
    with pytest.raises(UserError, match=r"give layers\.0\.up inputs that are not finite"):
        by_rows(model, layers, Want("rank", 2), model, sparsity_toys.rows())


def test_layers_that_no_row_reaches_are_named() -> None:
    model = Chain()
    model.layers[1].unused = nn.Linear(8, 8)
    layers = chosen(model, LowRankOptions())
    with pytest.raises(UserError, match=r"the calibration rows do not reach layers\.1\.unused"):
        by_rows(model, layers, Want("rank", 2), model, sparsity_toys.rows())


@pytest.mark.parametrize(
    ("options", "message", "hint"),
    [
        (
            LowRankOptions(include=("layers.0.upp",)),
            r"no layer is called 'layers\.0\.upp'",
            "Near names: layers.0.up,",
        ),
        (
            LowRankOptions(include=("embed",)),
            "no layer is called 'embed'",
            "",
        ),
        (
            LowRankOptions(exclude=("layers",)),
            "no layer is left to factorize",
            "Take patterns out of exclude",
        ),
        (
            LowRankOptions(rank=17),
            r"rank is 17, and layers\.0\.up, which is 32 × 16, has at most 16",
            'Choose a smaller rank, or leave the layer out: exclude=["layers.0.up"]',
        ),
        (
            LowRankOptions(rank=11),
            "no layer would be smaller: rank=11 takes factors as large as the layers are",
            "Choose less of it: factors of rank r have r · (outputs + inputs) parameters.",
        ),
        (LowRankOptions(energy=1.0), "no layer would be smaller: energy=1 takes", "Choose less"),
        (
            LowRankOptions(rank=3, energy=0.5),
            "energy and rank each decide the ranks",
            "Leave all but one of them out.",
        ),
    ],
)
def test_what_cannot_be(options: LowRankOptions, message: str, hint: str) -> None:
    with pytest.raises(UserError, match=message) as caught:
        _factorized(Chain(), options)
    assert str(caught.value.hint).startswith(hint)


def test_weights_that_are_no_numbers_are_refused() -> None:
    model = Chain()
    model.layers[2].down.weight.data[0, 0] = torch.inf
    with pytest.raises(UserError, match=r"the weights of layers\.2\.down are not finite"):
        _factorized(model, LowRankOptions())
