"""What an exported program is made of: its weights, their bits, and the operations in few bits."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch.export import ExportedProgram
from torch.export.graph_signature import InputKind

NARROW = frozenset({torch.int8, torch.uint8, torch.float8_e4m3fn, torch.float8_e5m2})
"""Dtypes of stored weights of 8 bits and less; several numbers may be packed into one byte."""

PRODUCTS = frozenset(
    {
        torch.ops.aten.linear.default,
        torch.ops.aten.addmm.default,
        torch.ops.aten.mm.default,
        torch.ops.aten.bmm.default,
        torch.ops.aten.matmul.default,
        torch.ops.aten.conv1d.default,
        torch.ops.aten.conv2d.default,
        torch.ops.aten.convolution.default,
    }
)
"""Matrix products and convolutions."""

_STORED = frozenset({InputKind.PARAMETER, InputKind.BUFFER, InputKind.CONSTANT_TENSOR})


class Weights(NamedTuple):
    """The stored tensors of a program that are weights, rather than positions or indices."""

    parameters: int
    """Numbers, without the scales and zero points of quantized ones."""
    bytes: int
    """Stored bytes, scales and zero points included."""
    operations: int
    """Products one of whose operands comes from weights of 8 bits or less."""

    @property
    def bits_per_weight(self) -> float:
        """Stored bits per parameter; 0 in a program without any."""
        return self.bytes * 8 / self.parameters if self.parameters else 0.0


def count(program: ExportedProgram) -> Weights:
    """Count the weights of a program. Tensors that share memory are counted once."""
    tensors = stored(program)
    scales = _scales(program)
    parameters = size = 0
    seen: set[int] = set()
    for name, tensor in tensors.items():
        memory = tensor.untyped_storage().data_ptr()
        if memory in seen or not tensor.dim():
            continue
        seen.add(memory)
        if name in scales:
            size += tensor.nbytes
        elif tensor.is_floating_point() or tensor.dtype in NARROW:
            size += tensor.nbytes
            parameters += tensor.numel()
    return Weights(parameters, size, _operations(program, tensors))


def stored(program: ExportedProgram) -> dict[str, torch.Tensor]:
    """Every tensor that a program takes from its file, by the name of its placeholder."""
    found = {}
    for spec in program.graph_signature.input_specs:
        if spec.kind in _STORED:
            held = program.state_dict if spec.target in program.state_dict else program.constants
            found[spec.arg.name] = held[spec.target]
    return found


def _scales(program: ExportedProgram) -> set[str]:
    """Placeholders that say how to quantize or dequantize: scales and zero points."""
    names = set()
    for node in program.graph.nodes:
        if node.op == "call_function" and "quantize" in str(node.target):
            names |= {a.name for a in node.args[1:] if isinstance(a, torch.fx.Node)}
    return names


def _operations(program: ExportedProgram, tensors: dict[str, torch.Tensor]) -> int:
    """Count products with an operand that is computed from stored narrow numbers alone."""
    narrow: dict[torch.fx.Node, bool] = {}
    """Of nodes that no input reaches: whether a narrow tensor does."""
    found = 0
    for node in program.graph.nodes:
        if node.op == "placeholder":
            if node.name in tensors:
                narrow[node] = tensors[node.name].dtype in NARROW
            continue
        operands = node.all_input_nodes
        found += node.target in PRODUCTS and any(narrow.get(operand) for operand in operands)
        if operands and all(operand in narrow for operand in operands):
            narrow[node] = any(narrow[operand] for operand in operands)
    return found
