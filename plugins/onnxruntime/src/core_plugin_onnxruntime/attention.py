"""Attention without transposed heads.

The standard Attention operator (https://onnx.ai/onnx/operators/onnx__Attention.html, opset 23)
takes queries, keys and values as ``[batch, heads, sequence, size]``, which is how exporters
write them, or as ``[batch, sequence, heads * size]``, which is how they come out of the matrix
product and go into the next. The second form saves four transpositions a layer.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

from core_plugin_onnxruntime import graph
from core_plugin_onnxruntime.graph import Shape, Shapes

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto

_SWAP_HEADS = [0, 2, 1, 3]
_OPERANDS = 3
"""The first inputs of the operator: queries, keys, values. A mask may follow, then a cache."""

Readers = dict[str, list["NodeProto | None"]]
"""Nodes that read a value, by its name; ``None`` is the caller, who reads the graph's outputs."""


class _Heads(NamedTuple):
    flat: str
    """The value ``[batch, sequence, heads * size]`` that was taken apart."""
    number: int


def flatten(model: ModelProto) -> int:
    """Rewrite each Attention whose heads are split off and merged around it; give their count.

    Only graphs with shapes for the values in between are rewritten, as torch's exporter writes.
    """
    shapes = graph.shapes(model)
    producers = {name: node for node in model.graph.node for name in node.output}
    readers: Readers = defaultdict(list)
    for node in model.graph.node:
        for name in graph.reads(node):
            readers[name].append(node)
    for value in model.graph.output:
        readers[value.name].append(None)
    done = 0
    for node in model.graph.node:
        if node.op_type != "Attention" or node.domain not in graph.STANDARD:
            continue
        split = [_split(name, producers, shapes) for name in node.input[:_OPERANDS]]
        merged = _merged(node, readers, shapes)
        match split:
            case [_Heads() as q, _Heads() as k, _Heads() as v] if (
                merged is not None and k.number == v.number and _stateless(node)
            ):
                _rewrite(node, (q, k, v), merged)
                done += 1
    if done:
        graph.drop_unused(model)
    return done


def _rewrite(node: NodeProto, split: tuple[_Heads, _Heads, _Heads], merged: NodeProto) -> None:
    import onnx

    for place, heads in enumerate(split):
        node.input[place] = heads.flat
    for name, heads in (("q_num_heads", split[0]), ("kv_num_heads", split[1])):
        node.attribute.append(onnx.helper.make_attribute(name, heads.number))
    node.output[0], merged.output[0] = merged.output[0], merged.output[0] + "_unused"


def _split(name: str, producers: dict[str, NodeProto], shapes: Shapes) -> _Heads | None:
    """What a value of four dimensions was before it was split and its heads moved forward."""
    swap = producers.get(name)
    if swap is None or not _swaps_heads(swap):
        return None
    reshape = producers.get(swap.input[0])
    if reshape is None or reshape.op_type != "Reshape":
        return None
    flat = reshape.input[0]
    number = _number_of_heads(shapes.get(flat), shapes.get(swap.input[0]))
    return None if number is None else _Heads(flat, number)


def _merged(node: NodeProto, readers: Readers, shapes: Shapes) -> NodeProto | None:
    """The reshape that puts the heads of the result together, if nothing else reads them."""
    swap = _only(readers[node.output[0]])
    if swap is None or not _swaps_heads(swap):
        return None
    reshape = _only(readers[swap.output[0]])
    if reshape is None or reshape.op_type != "Reshape":
        return None
    flat, split = shapes.get(reshape.output[0]), shapes.get(swap.output[0])
    return None if _number_of_heads(flat, split) is None else reshape


def _number_of_heads(flat: Shape | None, split: Shape | None) -> int | None:
    """Heads in ``split``, when it is ``flat`` with the last dimension taken apart."""
    match flat, split:
        case (batch, sequence, int(width)), (*outer, int(number), int(size)):
            known = batch is not None and sequence is not None
            if known and outer == [batch, sequence] and width == number * size:
                return number
    return None


def _only(nodes: list[NodeProto | None]) -> NodeProto | None:
    return nodes[0] if len(nodes) == 1 else None


def _swaps_heads(node: NodeProto) -> bool:
    return node.op_type == "Transpose" and any(
        attribute.name == "perm" and list(attribute.ints) == _SWAP_HEADS
        for attribute in node.attribute
    )


def _stateless(node: NodeProto) -> bool:
    """Neither takes nor gives a cache of keys and values."""
    return not any(node.input[_OPERANDS + 1 :]) and not any(node.output[1:])
