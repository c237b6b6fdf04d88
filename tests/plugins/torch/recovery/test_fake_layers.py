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


def observed(made: nn.Module, *, learnt: bool = False, most: int = 255) -> torch.Tensor:
    fake_layers.prepare(made, learnt=learnt, most=most)
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


@pytest.mark.parametrize("most", [127, 255])
@pytest.mark.parametrize("learnt", [False, True])
def test_integers_answer_as_what_was_trained(learnt: bool, most: int) -> None:
    made = model()
    values = observed(made, learnt=learnt, most=most)
    for fake in fake_layers.fakes(made):
        if learnt:
            fake.moved.data += torch.tensor([-0.01, 0.01])
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
        assert ("2.moved" in names) is learnt
        assert "2.linear.weight" in names


def narrow() -> tuple[FakeQuantizedLinear, torch.Tensor]:
    """A layer whose weights are 0.05 large and whose range was learnt to be -1 to 1, and values
    that reach twice as far."""
    torch.manual_seed(0)
    linear = nn.Linear(8, 8)
    linear.weight.data = 0.05 * torch.randn(8, 8).sign()
    made = FakeQuantizedLinear(linear, learnt=True)
    values = torch.rand(64, 8) * 2 - 1
    values[0, :2] = torch.tensor([-1.0, 1.0])
    made.observing = True
    made(values)
    made.observing = False
    return made, 2 * values


def test_a_step_moves_limits_by_the_same_part_as_weights() -> None:
    made, values = narrow()
    optimizer = torch.optim.Adam(made.parameters(), lr=0.0005)  # a hundredth of a weight
    (made(values) - made.linear(values).detach()).square().sum().backward()
    optimizer.step()
    low, high = (limit.detach() for limit in made.limits())
    # A hundredth of a range that is 2 wide.
    assert (float(low), float(high)) == (pytest.approx(-1.02), pytest.approx(1.02))


def test_limits_move_to_where_values_are() -> None:
    made, values = narrow()
    wanted = made.linear(values).detach()
    optimizer = torch.optim.Adam([made.moved], lr=0.0005)
    errors = []
    for _ in range(100):
        optimizer.zero_grad()
        error = (made(values) - wanted).square().mean()
        error.backward()
        optimizer.step()
        errors.append(float(error.detach()))
    low, high = (limit.detach() for limit in made.limits())
    assert float(low) == pytest.approx(-2, abs=0.2)
    assert float(high) == pytest.approx(2, abs=0.2)
    assert errors[-1] < 0.01 * errors[0]


def test_gradients_are_those_of_the_limits() -> None:
    made, _ = narrow()
    low, high = made.limits()
    (3 * high - 2 * low).backward()
    assert made.moved.grad.tolist() == [-2.0, 3.0]
    assert float(made.unit) == pytest.approx(2 / 0.05)


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
    with pytest.raises(UserError, match="no linear layer is left to quantize") as raised:
        fake_layers.prepare(model(), learnt=False, exclude=("*",))
    assert "exclude" in str(raised.value.hint)


def test_a_layer_that_no_row_reached_stays_what_it_was() -> None:
    made = model()
    fake_layers.prepare(made, learnt=False)
    fake_layers.convert(made)
    assert [type(found) for found in made] == [nn.Linear, nn.GELU, nn.Linear]
