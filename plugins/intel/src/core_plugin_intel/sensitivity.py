"""Which layers quantization hurts most: the error of each, with all others in float32."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.fx import GraphModule, Interpreter, Node

from core_plugin_intel.program import PRODUCTS, tensor_of
from core_plugin_intel.pt2e import layer_of
from core_plugin_intel.rows import Row


@dataclass(frozen=True, eq=False)
class _Quantized:
    """A linear layer or convolution as a converted graph has it."""

    weight: Tensor
    """Float32 ``[outputs, inputs, …]``, rounded."""
    steps: tuple[Any, ...]
    """Scale, zero point, least and largest code of its inputs."""

    def inputs(self, x: Tensor) -> Tensor:
        scale, zero, least, largest = self.steps
        codes = torch.clamp(torch.round(x / scale) + zero, least, largest)
        return (codes - zero) * scale


def errors(floating: GraphModule, quantized: GraphModule, rows: Iterable[Row]) -> dict[str, float]:
    """Relative squared error of each quantized layer's outputs, by its name, the mean over rows.

    Both graphs are of one model; the layer alone is quantized, and fed what it is in float32.
    """
    compare = _Compare(floating, _read(quantized))
    count = 0
    with torch.no_grad():
        for row in rows:
            compare.run(*row)
            count += 1
    return {name: total / count for name, total in compare.totals.items()}


class _Compare(Interpreter):  # type: ignore[misc]  # torch is not type-checked here
    def __init__(self, graph: GraphModule, found: dict[str, _Quantized]) -> None:
        super().__init__(graph)
        self.totals = dict.fromkeys(found, 0.0)
        self._found = found

    def call_function(self, target: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Run one operator, as the base class does."""
        value = super().call_function(target, args, kwargs)
        if target in PRODUCTS:
            name = layer_of(self._current)
            layer = self._found.get(name)
            if layer is not None:
                rounded = target(layer.inputs(args[0]), layer.weight, *args[2:])
                lost = (rounded - value).square().sum() / value.square().sum().clamp(min=1e-12)
                self.totals[name] += float(lost)
        return value

    def run_node(self, n: Node) -> Any:
        """Run one node, as the base class does."""
        self._current = n
        return super().run_node(n)


def _read(graph: GraphModule) -> dict[str, _Quantized]:
    found = {}
    for node in graph.graph.nodes:
        if node.target not in PRODUCTS:
            continue
        activation, weight = node.args[0], node.args[1]
        if "dequantize" in str(activation.target) and "dequantize" in str(weight.target):
            arguments = [tensor_of(graph, a) if isinstance(a, Node) else a for a in weight.args]
            rounded = weight.target(*arguments)
            found[layer_of(node)] = _Quantized(rounded, tuple(activation.args[1:5]))
    return found
