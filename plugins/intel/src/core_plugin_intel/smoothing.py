"""Apply `core_plugin_intel.smooth` to a captured graph."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.fx import GraphModule, Interpreter, Node

from core_plugin_intel import smooth
from core_plugin_intel.program import tensor_of
from core_plugin_intel.pt2e import LINEAR
from core_plugin_intel.rows import Row

NORM = torch.ops.aten.layer_norm.default
MULTIPLY = torch.ops.aten.mul.Tensor


@dataclass(frozen=True)
class Group:
    """Linear layers that read the same activations, and so share their scales."""

    source: Node
    readers: tuple[Node, ...]


def groups(graph: GraphModule) -> list[Group]:
    """The groups of a graph whose weights are read once.

    A weight that several layers share, as ALBERT's do, would have to take the scales of each.
    """
    readers: dict[Node, list[Node]] = {}
    uses: dict[Any, int] = {}
    for node in graph.graph.nodes:
        if node.target is LINEAR:
            readers.setdefault(node.args[0], []).append(node)
            weight = node.args[1]
            uses[weight.target] = uses.get(weight.target, 0) + 1
    return [
        Group(source, tuple(nodes))
        for source, nodes in readers.items()
        if all(uses[node.args[1].target] == 1 for node in nodes)
    ]


def apply(graph: GraphModule, found: list[Group], rows: Iterable[Row], alpha: float) -> None:
    """Divide the activations of each group by its scales, and multiply them into the weights.

    Where a normalization feeds the group and nothing else, its weights are divided, which costs
    nothing at run time; elsewhere a product is put in. The graph computes what it did before.
    """
    maxima = _largest(graph, [group.source for group in found], rows)
    for index, group in enumerate(found):
        weights = [tensor_of(graph, node.args[1]) for node in group.readers]
        scale = smooth.scales(maxima[group.source], torch.cat(weights), alpha)
        for weight in weights:
            weight.mul_(scale)
        norm = _own_norm(graph, group)
        if norm is not None:
            for parameter in norm:
                parameter.div_(scale)
        else:
            _insert(graph, group, f"smooth_{index}", scale.reciprocal())
    graph.recompile()


class _Watch(Interpreter):  # type: ignore[misc]  # torch is not type-checked here
    """Runs a graph and keeps the largest magnitude of each channel of some values."""

    def __init__(self, graph: GraphModule, nodes: list[Node]) -> None:
        super().__init__(graph)
        self.largest: dict[Node, Tensor] = {}
        self._nodes = frozenset(nodes)

    def run_node(self, n: Node) -> Any:
        """Run one node, as the base class does."""
        value = super().run_node(n)
        if n in self._nodes:
            found = value.detach().abs().flatten(0, -2).amax(0)
            before = self.largest.get(n)
            self.largest[n] = found if before is None else torch.maximum(before, found)
        return value


def _largest(graph: GraphModule, nodes: list[Node], rows: Iterable[Row]) -> dict[Node, Tensor]:
    watch = _Watch(graph, nodes)
    with torch.no_grad():
        for row in rows:
            watch.run(*row)
    return watch.largest


def _own_norm(graph: GraphModule, group: Group) -> list[Tensor] | None:
    """Weight and bias of the normalization that feeds this group alone; else ``None``."""
    node = group.source
    if node.target is not NORM or set(node.users) != set(group.readers):
        return None
    parameters = [p for p in node.args[2:4] if isinstance(p, Node)]
    if not parameters or any(len(p.users) > 1 for p in parameters):
        return None
    return [tensor_of(graph, parameter) for parameter in parameters]


def _insert(graph: GraphModule, group: Group, name: str, factor: Tensor) -> None:
    graph.register_buffer(name, factor)
    with graph.graph.inserting_after(group.source):
        held = graph.graph.get_attr(name)
    with graph.graph.inserting_after(held):
        scaled = graph.graph.call_function(MULTIPLY, (group.source, held))
    value = group.source.meta["val"]
    held.meta["val"], scaled.meta["val"] = value.new_empty(factor.shape), value
    for reader in group.readers:
        reader.replace_input_with(group.source, scaled)
