"""Rotary position embeddings for more than one row.

RotaryEmbedding (https://onnx.ai/onnx/operators/onnx__RotaryEmbedding.html, opset 23) takes cosines
and sines of the batch size of what it turns. The exporter gives it those of one row, which all
rows of a model without positions of their own share.
"""

from __future__ import annotations

from typing import Any


def widen(model: Any) -> int:
    """Expand cosines and sines to the batch, in place; the number of operators so mended."""
    import onnx_ir as ir

    mended = 0
    for node in list(model.graph):
        if node.op_type != "RotaryEmbedding" or node.domain or _has_positions(node):
            continue
        turned = node.inputs[0]
        for place in (1, 2):
            table = node.inputs[place]
            rows = ir.node("Shape", [turned], attributes={"start": 0, "end": 1})
            rest = ir.node("Shape", [table], attributes={"start": 1})
            shape = ir.node("Concat", [rows.outputs[0], rest.outputs[0]], attributes={"axis": 0})
            wide = ir.node("Expand", [table, shape.outputs[0]])
            for number, made in enumerate((rows, rest, shape, wide)):
                made.name = f"{node.name}_{place}_{number}"
                made.outputs[0].name = f"{made.name}_out"
            model.graph.insert_before(node, [rows, rest, shape, wide])
            node.replace_input_with(place, wide.outputs[0])
        mended += 1
    return mended


def _has_positions(node: Any) -> bool:
    """With positions, the tables are looked up and have no batch."""
    return len(node.inputs) > 3 and node.inputs[3] is not None
