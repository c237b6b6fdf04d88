"""What an OpenVINO graph is made of: weights, their bits, and the operations in int8."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

_NARROW = frozenset({"i8", "u8", "i4", "u4", "i2", "u2", "nf4", "f8e4m3", "f8e5m2"})
_FLOATING = frozenset({"f64", "f32", "f16", "bf16"})
_PRODUCTS = frozenset({"MatMul", "Convolution", "GroupConvolution"})
_CARRIERS = frozenset({"Reshape", "Transpose", "Squeeze", "Unsqueeze"})
"""Operations between a quantizer and its consumer that move numbers and leave them as they are."""


class Weights(NamedTuple):
    """The constants of a graph that are weights, rather than shapes or indices."""

    parameters: int
    """Numbers, without the scales and zero points of quantized ones."""
    bytes: int
    """Stored bytes, scales and zero points included."""

    @property
    def bits_per_weight(self) -> float:
        """Stored bits per parameter; 0 in a graph without any."""
        return self.bytes * 8 / self.parameters if self.parameters else 0.0


def weights(model: Any) -> Weights:
    """Count the weights of an ``openvino.Model``."""
    scales = _scales(model)
    parameters = stored = 0
    for node in model.get_ops():
        if node.get_type_name() != "Constant" or _kind(node) not in _NARROW | _FLOATING:
            continue
        output = node.output(0)
        if not output.get_shape():  # a number of the program: an epsilon, a mask's minus infinity
            continue
        size = math.prod(output.get_shape())
        stored += (size * output.get_element_type().bitwidth + 7) // 8
        if node.get_friendly_name() not in scales:
            parameters += size
    return Weights(parameters, stored)


def quantized_operations(model: Any) -> int:
    """Count matrix products and convolutions both of whose operands arrive in 8 bits or less."""
    return sum(
        node.get_type_name() in _PRODUCTS and all(_is_quantized(_input(node, i)) for i in (0, 1))
        for node in model.get_ops()
    )


def _scales(model: Any) -> set[str]:
    """Names of the constants that say how to quantize: ranges, scales and zero points."""
    names: set[str] = set()
    for node in model.get_ops():
        kind = node.get_type_name()
        if kind == "FakeQuantize":
            operands = [_input(node, i) for i in (1, 2, 3, 4)]
        elif kind in ("Multiply", "Subtract") and _is_compressed(_input(node, 0)):
            operands = [_input(node, 1)]
        else:
            continue
        for operand in operands:
            origin = _input(operand, 0) if operand.get_type_name() == "Convert" else operand
            names.add(origin.get_friendly_name())
    return names


def _is_quantized(node: Any) -> bool:
    while node.get_type_name() in _CARRIERS:
        node = _input(node, 0)
    return node.get_type_name() == "FakeQuantize" or _is_compressed(node) or _is_dequantized(node)


def _is_compressed(node: Any) -> bool:
    """Whether it is a weight of 8 bits or less, anywhere on its way through dequantization."""
    while node.get_type_name() in ("Convert", "Subtract", "Multiply"):
        node = _input(node, 0)
    return node.get_type_name() == "Constant" and _kind(node) in _NARROW


def _is_dequantized(node: Any) -> bool:
    """Whether it comes from numbers of 8 bits or less, as DequantizeLinear of ONNX spells it."""
    while node.get_type_name() in ("Subtract", "Multiply"):
        node = _input(node, 0)
    return node.get_type_name() == "Convert" and _kind(_input(node, 0)) in _NARROW


def _input(node: Any, index: int) -> Any:
    return node.input_value(index).get_node()


def _kind(node: Any) -> str:
    return str(node.output(0).get_element_type().get_type_name())
