"""Facts are counted in the graph: hand-made graphs whose counts are known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from core_plugin_openvino import libraries
from core_plugin_openvino.graph import quantized_operations, weights

ov = libraries.openvino()
op = ov.opset13


def _parameter(*shape: int) -> Any:
    return op.parameter(list(shape), np.float32)


def _fake(node: Any, levels: int = 256) -> Any:
    low, high = op.constant(np.float32([-1])), op.constant(np.float32([1]))
    return op.fake_quantize(node, low, high, low, high, levels)


def _compressed(shape: tuple[int, ...], zero_point: bool = False) -> Any:
    """An int8 weight with a float32 scale per row, and an int8 zero point per row if wanted."""
    node = op.convert(op.constant(np.ones(shape, np.int8)), "f32")
    per_row = (shape[0], *(1 for _ in shape[1:]))
    if zero_point:
        zeros = op.convert(op.constant(np.zeros(per_row, np.int8)), "f32")
        node = op.subtract(node, zeros)
    return op.multiply(node, op.constant(np.full(per_row, 0.1, np.float32)))


def _model(result: Any, *parameters: Any) -> Any:
    return ov.Model([result], list(parameters), "test")


def test_float_weights_are_counted_and_the_programs_numbers_are_not() -> None:
    x = _parameter(2, 3)
    y = op.matmul(x, op.constant(np.ones((3, 4), np.float32)), False, False)
    y = op.multiply(op.add(y, op.constant(np.ones(4, np.float32))), op.constant(np.float32(0.5)))
    y = op.reshape(y, op.constant(np.array([8], np.int64)), False)
    model = _model(y, x)
    assert weights(model) == (16, 64)
    assert weights(model).bits_per_weight == 32
    assert quantized_operations(model) == 0


@pytest.mark.parametrize("zero_point", [False, True])
def test_scales_and_zero_points_are_bytes_but_no_parameters(zero_point: bool) -> None:
    x = _parameter(2, 3)
    y = op.matmul(_fake(x), _compressed((4, 3), zero_point), False, True)
    found = weights(_model(y, x))
    ranges, scales = 2 * 4, 4 * 4
    assert found == (12, 12 + ranges + scales + 4 * zero_point)


def test_an_operation_is_quantized_when_both_operands_are() -> None:
    x = _parameter(2, 3)
    both = op.matmul(_fake(x), _compressed((4, 3)), False, True)
    weight_only = op.matmul(x, _compressed((4, 3)), False, True)
    activation_only = op.matmul(_fake(x), op.constant(np.ones((3, 4), np.float32)), False, False)
    model = _model(op.add(op.add(both, weight_only), activation_only), x)
    assert quantized_operations(model) == 1


def test_a_quantizer_is_found_behind_operations_that_only_move_numbers() -> None:
    x = _parameter(2, 6)
    moved = op.transpose(
        op.reshape(_fake(x), op.constant(np.array([2, 2, 3], np.int64)), False),
        op.constant(np.array([1, 0, 2], np.int64)),
    )
    model = _model(op.matmul(moved, _compressed((4, 3)), False, True), x)
    assert quantized_operations(model) == 1


def test_an_activation_that_onnx_dequantizes_counts_and_one_that_is_only_scaled_does_not() -> None:
    x = _parameter(2, 3)
    eight = op.convert(op.convert(_fake(x), "u8"), "f32")
    shifted = op.subtract(eight, op.constant(np.float32(128)))
    dequantized = op.multiply(shifted, op.constant(np.float32(0.1)))
    scaled = op.multiply(x, op.constant(np.float32(0.1)))
    products = [op.matmul(y, _compressed((4, 3)), False, True) for y in (dequantized, scaled)]
    assert quantized_operations(_model(op.add(*products), x)) == 1


def test_two_activations_multiplied_in_int8_count() -> None:
    x, y = _parameter(2, 3), _parameter(3, 2)
    assert quantized_operations(_model(op.matmul(_fake(x), _fake(y), False, False), x, y)) == 1


def test_a_graph_without_weights_has_no_bits() -> None:
    x = _parameter(2, 3)
    assert weights(_model(op.relu(x), x)).bits_per_weight == 0
