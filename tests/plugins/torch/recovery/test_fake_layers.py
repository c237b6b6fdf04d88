"""Layers that are trained in steps, and the integers that they become."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from core_plugin_torch.recovery import fake_layers
from core_plugin_torch.recovery.fake_layers import FakeQuantizedLinear, QuantizedLinear
from hwcore.contract import UserError


def model() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 8), nn.GELU(), nn.Linear(8, 3))


def observed(made: nn.Module, *, learnt: bool = False) -> torch.Tensor:
    fake_layers.prepare(made, learnt=learnt)
    values = torch.randn(32, 6)
    fake_layers.observe(made, observing=True, rounding=False)
    made(values)
    fake_layers.observe(made, observing=False)
    return values


def test_observing_rounds_nothing() -> None:
    made = model()
    values = torch.randn(4, 6)
    expected = made(values)
    fake_layers.prepare(made, learnt=False)
    fake_layers.observe(made, observing=True, rounding=False)
    assert torch.equal(made(values), expected)
    first = made[0]
    assert isinstance(first, FakeQuantizedLinear)
    assert (float(first.low), float(first.high)) == (float(values.min()), float(values.max()))


@pytest.mark.parametrize("learnt", [False, True])
def test_integers_answer_as_what_was_trained(learnt: bool) -> None:
    made = model()
    values = observed(made, learnt=learnt)
    expected = made(values)
    fake_layers.convert(made)
    assert isinstance(made[2], QuantizedLinear)
    assert made[2].weight.dtype == torch.int8
    torch.testing.assert_close(made(values), expected, rtol=1e-5, atol=1e-5)


def test_learnt_ranges_learn_and_observed_ones_do_not() -> None:
    for learnt in (False, True):
        made = model()
        made(observed(made, learnt=learnt)).sum().backward()
        names = {name for name, found in made.named_parameters() if found.grad is not None}
        assert ("2.high" in names) is learnt
        assert "2.linear.weight" in names


def test_a_layer_that_is_shared_stays_shared() -> None:
    linear = nn.Linear(4, 4)
    made = nn.ModuleList([linear, linear])
    fake_layers.prepare(made, learnt=False)
    assert isinstance(made[0], FakeQuantizedLinear)
    assert made[0] is made[1]
    fake_layers.observe(made, observing=True)
    made[0](torch.randn(2, 4))
    fake_layers.convert(made)
    assert isinstance(made[0], QuantizedLinear)
    assert made[0] is made[1]


def test_layers_can_be_left_out() -> None:
    made = model()
    fake_layers.prepare(made, learnt=False, exclude=("2",))
    assert type(made[2]) is nn.Linear
    with pytest.raises(UserError, match="no layer is called 'head'"):
        fake_layers.prepare(model(), learnt=False, exclude=("head",))


def test_a_layer_that_no_row_reached_stays_what_it_was() -> None:
    made = model()
    fake_layers.prepare(made, learnt=False)
    fake_layers.convert(made)
    assert [type(found) for found in made] == [nn.Linear, nn.GELU, nn.Linear]
