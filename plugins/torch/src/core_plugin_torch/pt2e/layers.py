"""The layers of a program that can be quantized, by the names that the model gives them."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from core_plugin_torch.sparsity.layers import check_known, matches
from hwcore.contract import UserError

_FLAT = "model."
"""Where the flat module holds the model; names of layers are without it."""

_QUANTIZED = frozenset(
    {
        torch.ops.aten.linear.default,
        torch.ops.aten.conv1d.default,
        torch.ops.aten.conv2d.default,
    }
)


def names(module: torch.fx.GraphModule) -> tuple[str, ...]:
    """Names of linear layers and convolutions, such as ``encoder.layer.0.output.dense``.

    In the order of their first use. Raises `UserError` for a program without any.
    """
    found = dict.fromkeys(
        _path(node).removeprefix(_FLAT) for node in module.graph.nodes if node.target in _QUANTIZED
    )
    if not found:
        raise UserError(
            "the model has no linear layer and no convolution to quantize",
            hint="Leave it in floating point, or export it with another plugin.",
        )
    return tuple(found)


def excluded(module: torch.fx.GraphModule, patterns: Sequence[str]) -> tuple[str, ...]:
    """Paths in the program of the layers that a pattern names.

    Raises `UserError` for a pattern that matches nothing, and if no layer is left.
    """
    known = names(module)
    for pattern in patterns:
        check_known(pattern, known)
    chosen = [name for name in known if matches(name, patterns)]
    if len(chosen) == len(known):
        raise UserError(
            "no layer is left to quantize", hint="Take names out of the option `exclude`."
        )
    return tuple(
        dict.fromkeys(
            _path(node)
            for node in module.graph.nodes
            if node.target in _QUANTIZED and _path(node).removeprefix(_FLAT) in chosen
        )
    )


def _path(node: torch.fx.Node) -> str:
    """Path of the module that an operation is in; empty for the outermost."""
    stack = node.meta.get("nn_module_stack") or {}
    return str(list(stack.values())[-1][0]) if stack else ""
