"""SmoothQuant: moves outliers from the inputs of matrix products into their weights.

Xiao et al., arXiv 2211.10438, section 4. One scale for a whole activation is set by its largest
channel, which leaves few of the 256 steps to the others. Dividing channel j by s_j and
multiplying row j of the weight by it changes nothing in floating point,

    y = x W = (x / s) (s W),    s_j = max|x_j|^alpha / max|W_j|^(1 - alpha),

and with alpha near 1 levels the channels of x. Weights have a scale for each column, and can
take the difference. The paper folds 1/s into the layer norm before; here it is a product of its
own, as the residual connections of BERT-like models read the layer norm, too.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from core_plugin_onnxruntime import graph
from hwcore.contract import Array, Arrays

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto

_TINY = 1e-5
"""Stands for the largest number of a channel that is never used."""


def scales(activation: Array, weight: Array, alpha: float) -> Array:
    """``s`` of the formula above, float32 ``[channels]``, with a geometric mean of 1.

    ``activation`` is the largest magnitude of each channel, ``weight`` that of each row.
    """
    logs = alpha * np.log(np.maximum(activation, _TINY)) - (1 - alpha) * np.log(
        np.maximum(weight, _TINY)
    )
    leveled: Array = np.exp(logs - logs.mean()).astype(np.float32)
    return leveled


def largest(session: Any, names: list[str], rows: Iterable[Arrays]) -> dict[str, Array]:
    """Largest magnitude of each channel, the last axis, of named outputs, over all rows."""
    found: dict[str, Array] = {}
    for row in rows:
        for name, values in zip(names, session.run(names, dict(row)), strict=True):
            peak = np.abs(values).reshape(-1, values.shape[-1]).max(axis=0)
            found[name] = np.maximum(found[name], peak) if name in found else peak
    return found


def apply(model: ModelProto, activations: Mapping[str, Array], alpha: float) -> None:
    """Rewrite the products of each activation in place; the model computes what it did."""
    import onnx
    from onnx import numpy_helper

    weights = {tensor.name: tensor for tensor in model.graph.initializer}
    divisions: dict[str, NodeProto] = {}
    for name, users in graph.products(model).items():
        matrices = [numpy_helper.to_array(weights[user.input[1]]) for user in users]
        rows = np.max([np.abs(matrix).max(axis=1) for matrix in matrices], axis=0)
        s = scales(activations[name], rows, alpha)
        divisor, divided = f"{name}_smoothing", f"{name}_smoothed"
        model.graph.initializer.append(numpy_helper.from_array(1 / s, divisor))
        divisions[users[0].output[0]] = onnx.helper.make_node("Mul", [name, divisor], [divided])
        for user, matrix in zip(users, matrices, strict=True):
            scaled = numpy_helper.from_array(matrix * s[:, None], f"{user.output[0]}_weight")
            model.graph.initializer.append(scaled)
            user.input[:] = [divided, scaled.name]
    nodes: list[NodeProto] = []
    for node in model.graph.node:
        if node.output[0] in divisions:
            nodes.append(divisions[node.output[0]])
        nodes.append(node)
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    graph.drop_unused(model)
