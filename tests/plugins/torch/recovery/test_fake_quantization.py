"""Rounding, its gradients and its ranges, against numbers worked out by hand."""

from __future__ import annotations

import pytest
import torch

from core_plugin_torch.recovery import fake_quantization as fq


def test_a_channel_has_its_own_step() -> None:
    weight = torch.tensor([[127.0, -63.6], [0.254, 0.127], [0.0, 0.0]])
    scale = fq.weight_scale(weight)
    torch.testing.assert_close(scale, torch.tensor([1.0, 0.002, 1.0]))
    assert fq.quantized_weight(weight, scale).tolist() == [[127, -64], [127, 64], [0, 0]]


def test_weights_are_symmetric() -> None:
    weight = torch.randn(4, 8, generator=torch.Generator().manual_seed(0))
    scale = fq.weight_scale(weight)
    assert torch.equal(fq.quantized_weight(-weight, scale), -fq.quantized_weight(weight, scale))


def test_the_fake_is_the_real_one() -> None:
    weight = torch.randn(5, 3, 2, generator=torch.Generator().manual_seed(0))
    scale = fq.weight_scale(weight)
    real = fq.quantized_weight(weight, scale).float() * scale.reshape(-1, 1, 1)
    torch.testing.assert_close(fq.fake_quantized_weight(weight, scale), real)


def test_zeros_stay_zeros() -> None:
    weight = torch.tensor([[0.0, 0.3, -0.0, 1.0]])
    made = fq.fake_quantized_weight(weight, fq.weight_scale(weight))
    assert made[0, [0, 2]].tolist() == [0.0, 0.0]


def test_gradients_of_weights_go_straight_through() -> None:
    weight = torch.tensor([[0.31, -0.77, 1.0]], requires_grad=True)
    upstream = torch.tensor([[1.0, 2.0, 3.0]])
    fq.fake_quantized_weight(weight, fq.weight_scale(weight)).backward(upstream)
    assert weight.grad is not None
    torch.testing.assert_close(weight.grad, upstream)


def test_a_range_is_widened_to_hold_zero() -> None:
    scale, zero = fq.activation_parameters(torch.tensor(2.0), torch.tensor(5.1))
    assert (float(scale), float(zero)) == (pytest.approx(5.1 / 255), 0.0)
    scale, zero = fq.activation_parameters(torch.tensor(-5.1), torch.tensor(-2.0))
    assert (float(scale), float(zero)) == (pytest.approx(5.1 / 255), 255.0)


def test_zero_is_exact_and_the_rest_is_cut_off() -> None:
    low, high = torch.tensor(-1.0), torch.tensor(1.55)  # steps of 0.01, zero at 100
    values = torch.tensor([0.0, 0.004, 0.006, -3.0, 9.0])
    made = fq.fake_quantized_activation(values, low, high)
    assert float(made[0]) == 0.0
    torch.testing.assert_close(made, torch.tensor([0.0, 0.0, 0.01, -1.0, 1.55]))


def test_a_range_of_nothing_is_no_division_by_zero() -> None:
    zero = torch.tensor(0.0)
    made = fq.fake_quantized_activation(torch.zeros(3), zero, zero)
    assert made.tolist() == [0.0, 0.0, 0.0]


def test_gradients_of_activations_stop_at_the_limits() -> None:
    values = torch.tensor([-3.0, 0.5, 9.0], requires_grad=True)
    fq.fake_quantized_activation(values, torch.tensor(-1.0), torch.tensor(1.55)).sum().backward()
    assert values.grad is not None
    assert values.grad.tolist() == [0.0, 1.0, 0.0]


def test_limits_learn_as_steps_do() -> None:
    # arXiv 1902.08153, equation 3, for a step s = high / 255 with low = 0: inside of the range
    # the derivative to s is round(v / s) - v / s, above it 255.
    high = torch.tensor(2.55, dtype=torch.float64, requires_grad=True)
    low = torch.tensor(0.0, dtype=torch.float64)
    values = torch.tensor([0.503, 9.0], dtype=torch.float64)
    fq.fake_quantized_activation(values, low, high).sum().backward()
    assert high.grad is not None
    assert float(high.grad) == pytest.approx(((50 - 50.3) + 255) / 255, rel=1e-6)


def test_a_highest_step_below_255() -> None:
    low, high = torch.tensor(-1.0), torch.tensor(1.54)  # steps of 0.02, zero at 50
    scale, zero = fq.activation_parameters(low, high, 127)
    assert (float(scale), float(zero)) == (pytest.approx(0.02), 50.0)
    values = torch.tensor([0.0, 0.011, -3.0, 9.0])
    made = fq.fake_quantized_activation(values, low, high, 127)
    torch.testing.assert_close(made, torch.tensor([0.0, 0.02, -1.0, 1.54]))


def test_ranges_follow_slowly() -> None:
    zero = torch.tensor(0.0)
    low, high = fq.moving_range(zero, zero, torch.tensor([-2.0, 4.0]), first=True)
    assert (float(low), float(high)) == (-2.0, 4.0)
    low, high = fq.moving_range(low, high, torch.tensor([-4.0, 14.0]), first=False)
    assert (float(low), float(high)) == (pytest.approx(-2.02), pytest.approx(4.1))
