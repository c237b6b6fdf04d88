"""Quantize a captured graph with Neural Compressor's PT2E quantizer.

What it would pass over in silence is looked for here: a graph whose ranges were never measured,
layers that are not there, and layers that it left as they were.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch.fx import GraphModule, Node

from core_plugin_intel.layers import PREFIX
from core_plugin_intel.libraries import quantization, silent
from core_plugin_intel.options import DynamicOptions, StaticOptions
from core_plugin_intel.program import PRODUCTS, drop_unused, tensor_of
from core_plugin_intel.rows import Row
from hwcore.contract import PluginError

LINEAR = torch.ops.aten.linear.default
MULTIPLY = torch.ops.aten.mul.Tensor
CAST = torch.ops.aten.to.dtype
OF_ACTIVATIONS = frozenset({MULTIPLY, torch.ops.aten.matmul.default, torch.ops.aten.bmm.default})
"""Products of two activations: gates, and attention where it is spelt out."""


def quantize(
    graph: GraphModule,
    options: StaticOptions | DynamicOptions,
    rows: Iterable[Row],
    *,
    floats: frozenset[str] = frozenset(),
    halves: frozenset[str] = frozenset(),
) -> GraphModule:
    """Put quantize and dequantize operators around products, and round the weights to int8.

    ``rows`` are what ranges are measured on; dynamic quantization takes one, of any values: the
    operators that measure at run time are chosen by a call. ``floats`` are names of layers to
    leave in float32, ``halves`` of linear layers to compute in bfloat16. The graph is changed.

    Raises `PluginError` if ranges were not measured, or layers are not as they were asked for.
    """
    dynamic = isinstance(options, DynamicOptions)
    with silent(), torch.no_grad():
        from neural_compressor.torch.algorithms.pt2e_quant.core import W8A8PT2EQuantizer

        # Said of the class, and kept from one model to the next by whoever was last.
        before, W8A8PT2EQuantizer.is_dynamic = W8A8PT2EQuantizer.is_dynamic, dynamic
        try:
            quantizer = W8A8PT2EQuantizer(_config(options, floats | halves))
            graph._exported = True
            prepared = _unobserve_products(quantizer.prepare(graph))
            for done, row in enumerate(rows):
                _average_evenly(prepared, done)
                prepared(*row)
            _check_measured(prepared, dynamic=dynamic)
            converted: GraphModule = quantizer.convert(prepared, fold_quantize=True)
        finally:
            W8A8PT2EQuantizer.is_dynamic = before
    _check_placed(converted, floats | halves)
    _halve(converted, halves)
    drop_unused(converted)
    return converted


def layer_of(node: Node) -> str:
    """Name in the transformers model of the layer that a node comes from."""
    stack = list(node.meta.get("nn_module_stack", {}).values())
    return str(stack[-1][0]).removeprefix(PREFIX) if stack else ""


def layers(graph: GraphModule) -> dict[str, bool]:
    """Every linear layer and convolution of a graph, and whether its weights are quantized."""
    found = [node for node in graph.graph.nodes if node.target in PRODUCTS and layer_of(node)]
    return {layer_of(node): _is_dequantized(node.args[1]) for node in found}


def _config(options: StaticOptions | DynamicOptions, left: frozenset[str]) -> object:
    library = quantization()
    kind = library.INT8StaticQuantConfig
    chosen: dict[str, object] = {
        "w_granularity": options.w_granularity,
        "act_dtype": options.act_dtype,
    }
    if isinstance(options, DynamicOptions):
        kind = library.DynamicQuantConfig
    else:
        chosen |= {"act_sym": options.act_sym, "act_algo": options.act_algo}
    config = kind(**chosen)
    for name in sorted(left):
        config.set_local(f"{PREFIX}{name}", kind(w_dtype="fp32", act_dtype="fp32"))
    return config


def _average_evenly(prepared: GraphModule, done: int) -> None:
    """Make moving averages of ranges the mean over all rows.

    Left to itself the library gives each row after the first a weight of 1 %: of 64 rows the
    first alone makes up half of the range.
    """
    for module in prepared.modules():
        if hasattr(module, "averaging_constant"):
            module.averaging_constant = 1 / (done + 1)


def _unobserve_products(prepared: GraphModule) -> GraphModule:
    """Leave products of two activations in float32.

    The quantizer rounds both of their inputs. That costs accuracy, and buys nothing where the
    product is element-wise; its configuration cannot say so.
    """
    for node in list(prepared.graph.nodes):
        if node.op == "call_module" and str(node.target).startswith("activation_post_process"):
            for user in [user for user in node.users if user.target in OF_ACTIVATIONS]:
                user.replace_input_with(node, node.args[0])
            if not node.users:
                prepared.graph.erase_node(node)
    prepared.delete_all_unused_submodules()
    prepared.recompile()
    return prepared


def _check_measured(prepared: GraphModule, *, dynamic: bool) -> None:
    """An observer that saw nothing has the range from infinity to less than that."""
    if dynamic:
        return
    for name, observer in prepared.named_modules():
        least = getattr(observer, "min_val", None)
        if least is not None and least.numel() and torch.isinf(least).any():
            raise PluginError(f"no calibration row came past {name}: its range is not known")


def _check_placed(converted: GraphModule, left: frozenset[str]) -> None:
    for name, quantized in layers(converted).items():
        if quantized == (name in left):
            done = "quantized" if quantized else "left in float32"
            raise PluginError(
                f"Neural Compressor has {done} the layer {name}, against its configuration",
                hint="Name other layers in float_layers and bf16_layers.",
            )


def _halve(converted: GraphModule, halves: frozenset[str]) -> None:
    """Compute linear layers in bfloat16, between casts, and store their weights so.

    The library has a rewriting for this that casts to float16, whichever it is asked for (3.10).
    """
    graph = converted.graph
    for node in list(graph.nodes):
        if node.target is not LINEAR or layer_of(node) not in halves:
            continue
        with graph.inserting_before(node):
            given = graph.call_function(CAST, (node.args[0], torch.bfloat16))
            node.args = (given, *(_stored_half(converted, held) for held in node.args[1:]))
        with graph.inserting_after(node):
            cast = graph.call_function(CAST, (node, torch.float32))
        for user in [user for user in node.users if user is not cast]:
            user.replace_input_with(node, cast)
    converted.recompile()


def _stored_half(converted: GraphModule, held: Node | None) -> Node | None:
    """A weight or bias in bfloat16; one for all that read it."""
    if held is None:
        return None
    name = f"{held.target}_bfloat16".replace(".", "_")
    if not hasattr(converted, name):
        converted.register_buffer(name, tensor_of(converted, held).to(torch.bfloat16))
    return converted.graph.get_attr(name)


def _is_dequantized(node: object) -> bool:
    return isinstance(node, Node) and "dequantize" in str(node.target)
