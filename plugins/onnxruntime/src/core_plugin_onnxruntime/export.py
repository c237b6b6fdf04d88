"""Export a transformers model to ONNX with torch's graph-capturing exporter."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np

from core_plugin_onnxruntime import graph, rotary
from core_plugin_onnxruntime.libraries import NOISY, require
from core_plugin_onnxruntime.options import ExportOptions
from hwcore.contract import (
    Artifact,
    Cancelled,
    Component,
    Context,
    Draft,
    PluginError,
    Signature,
)
from hwcore.data import example_inputs
from hwcore.transformers import load_module
from hwcore.vendor import quiet

ATTENTION_OPSET = 23
"""The first with an attention operator. Before it, transformers' own spelling of attention is
shorter than the exporter's of scaled dot-product attention, which guards against rows of NaN."""


def to_onnx(source: Artifact, options: ExportOptions, out: Path, ctx: Context) -> Draft:
    """Write the model as ONNX with the signature's names and symbolic dimensions.

    Weights are streamed to the file: memory stays near their size. Raises `PluginError` if the
    exporter fixed a dimension, `Cancelled` between phases.
    """
    signature = source.component().signature
    _phase(ctx, 0.0, "loading the model")
    torch = require("torch", "exporting to ONNX")
    onnx_ir = require("onnx_ir", "exporting to ONNX")
    require("onnxscript", "exporting to ONNX")
    attention = "sdpa" if options.opset >= ATTENTION_OPSET else "eager"
    module = load_module(source, attention=attention)
    arrays = example_inputs(signature, seed=ctx.seed)
    example = {spec.name: torch.from_numpy(arrays[spec.name]) for spec in signature.inputs}
    _phase(ctx, 0.1, "capturing the graph")
    with quiet(*NOISY):
        program = torch.onnx.export(
            module,
            tuple(example.values()),
            dynamo=True,
            opset_version=options.opset,
            input_names=list(example),
            output_names=[spec.name for spec in signature.outputs],
            dynamic_shapes=_axes(signature),
            verbose=False,
        )
    _phase(ctx, 0.8, "writing")
    _strip(program.model)
    _share(program.model, sum(weight.numel() for weight in module.parameters()))
    rotary.widen(program.model)
    external = _tensor_bytes(program.model) > options.external_data_above
    onnx_ir.save(program.model, out / graph.FILE, external_data=graph.WEIGHTS if external else None)
    return _draft(source, out / graph.FILE)


def _phase(ctx: Context, fraction: float, message: str) -> None:
    if ctx.cancelled():
        raise Cancelled("the export was stopped")
    ctx.progress(fraction, message)


def _axes(signature: Signature) -> tuple[dict[int, str], ...]:
    """Names of the symbolic axes of each input."""
    return tuple(
        {axis: size for axis, size in enumerate(spec.shape) if isinstance(size, str)}
        for spec in signature.inputs
    )


def _strip(model: Any) -> None:
    """Remove what the exporter notes for debugging: stack traces with paths of this machine."""
    for node in model.graph.all_nodes():
        node.metadata_props.clear()
        node.doc_string = None
    for value in (*model.graph.inputs, *model.graph.outputs, *model.graph.initializers.values()):
        value.metadata_props.clear()
    model.graph.metadata_props.clear()
    model.metadata_props.clear()


def _share(model: Any, parameters: int) -> None:
    """Store once what layers share, as ALBERT's do: the exporter transposes it for each of them.

    onnx_ir has a pass for this, which does not take what was transposed (0.2).
    """
    initializers = model.graph.initializers
    if sum(value.const_value.size for value in initializers.values()) <= 1.05 * parameters:
        return  # looking for equal weights means reading all of them
    first: dict[tuple[object, ...], Any] = {}
    for value in [value for value in initializers.values() if len(value.const_value.shape) > 1]:
        array = np.ascontiguousarray(value.const_value.numpy())
        digest = hashlib.sha256(array.view(np.uint8)).digest()
        kept = first.setdefault((value.const_value.dtype, array.shape, digest), value)
        if kept is not value:
            value.replace_all_uses_with(kept)
            del initializers[value.name]


def _tensor_bytes(model: Any) -> int:
    return sum(value.const_value.nbytes for value in model.graph.initializers.values())


def _draft(source: Artifact, file: Path) -> Draft:
    signature = source.component().signature
    model = graph.read(file, weights=False)
    check_dimensions(graph.shapes(model), signature)
    parameters, stored = graph.parameters(model), graph.weight_bytes(model)
    return Draft(
        format=graph.FORMAT,
        traits=source.traits,
        components={"model": Component(signature=signature, file=graph.FILE)},
        facts={
            "parameters": parameters,
            "weight_bytes": stored,
            "bits_per_weight": stored * 8 / parameters,
            "ops_quantized": 0,
        },
    )


def check_dimensions(shapes: graph.Shapes, signature: Signature) -> None:
    """Raises `PluginError` if a graph's inputs and outputs are not shaped as the signature says."""
    for spec in (*signature.inputs, *signature.outputs):
        if shapes.get(spec.name) != spec.shape:
            raise PluginError(
                f"the exporter gave {spec.name} the shape {shapes.get(spec.name)}, "
                f"expected {spec.shape}",
                hint="The model's code depends on a size that should be free.",
            )
