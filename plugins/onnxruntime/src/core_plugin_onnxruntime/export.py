"""Export a transformers model to ONNX with torch's graph-capturing exporter."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from core_plugin_onnxruntime import graph, rotary
from core_plugin_onnxruntime.libraries import quiet, require
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
    with quiet():
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
