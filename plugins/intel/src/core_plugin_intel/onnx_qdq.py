"""Static int8 as ONNX: standard operators, QuantizeLinear and DequantizeLinear around products.

ONNX Runtime and OpenVINO compute the products between a pair of them in 8 bits.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch.export import ExportedProgram
from torch.fx import GraphModule

from core_plugin_intel import program, tuning
from core_plugin_intel.int8 import STATIC, Float32
from core_plugin_intel.libraries import NOISY, require
from core_plugin_intel.options import StaticOptions, TunedOptions
from core_plugin_intel.rows import Rows, phase
from hwcore.contract import (
    Artifact,
    Component,
    Context,
    Dataset,
    Draft,
    PluginError,
    Signature,
    UserError,
)
from hwcore.vendor import quiet

FORMAT = "onnx"
FILE = "model.onnx"
WEIGHTS = FILE + ".data"
OPSET = 21
"""The first whose operators take every type of the program's scales and zero points."""
ATTENTION = "eager"
"""Of scaled dot-product attention the exporter makes more operators than it has spelt out."""
LARGEST = 1 << 30
"""Bytes of tensors that are written into the model's own file: it can have 2 GiB."""


def static(
    source: Artifact, options: StaticOptions, data: Dataset | None, out: Path, ctx: Context
) -> Draft:
    """The model of ``int8-static``, written as ONNX.

    Raises what that does, and `UserError` where the packages of the extra are not installed, or
    layers are wanted in bfloat16.
    """
    _check_possible(options)
    rows = Rows(source, data, options.calibration_sampling_size, ctx)
    float32 = Float32(source, options, ctx, attention=ATTENTION)
    made = float32.static(options, rows, begin=0.2, end=0.6)
    return _exported(float32, made, source, out, ctx, begin=0.6)


def tuned(
    source: Artifact, options: TunedOptions, data: Dataset | None, out: Path, ctx: Context
) -> Draft:
    """The model of ``int8-tuned``, scored as the torch graph that it is written from.

    Raises what that does, and `UserError` as `static`.
    """
    _check_possible(options)
    float32, made = tuning.best(source, options, data, ctx, attention=ATTENTION)
    return _exported(float32, made, source, out, ctx, begin=tuning.END)


def _check_possible(options: StaticOptions) -> None:
    for name in ("onnx", "onnxscript", "onnx_ir"):
        require(name, "writing ONNX")
    if options.bf16_layers:
        raise UserError(
            "bf16_layers asks for products in bfloat16, which ONNX Runtime does not have on CPUs",
            hint="Name these layers in float_layers, or use the row that makes a torch program.",
        )


def _exported(
    float32: Float32, made: GraphModule, source: Artifact, out: Path, ctx: Context, *, begin: float
) -> Draft:
    """Write a quantized graph. Progress goes from ``begin`` to 1."""
    phase(ctx, begin, "capturing the graph")
    captured = float32.again(made)
    counts = program.count(captured)
    if not counts.operations:
        raise program.none_left()
    phase(ctx, begin + 0.25 * (1 - begin), "translating")
    model = _translate(captured, source.component().signature)
    phase(ctx, begin + 0.75 * (1 - begin), "writing")
    _write(model, out)
    return Draft(
        format=FORMAT,
        traits=source.traits.model_copy(update={"quantization": STATIC}),
        components={"model": Component(signature=source.component().signature, file=FILE)},
        facts={
            "parameters": float32.parameters,
            "weight_bytes": counts.bytes,
            "bits_per_weight": counts.bytes * 8 / float32.parameters,
            "ops_quantized": counts.operations,
        },
    )


def _translate(captured: ExportedProgram, signature: Signature) -> Any:
    """The ONNX model of a program, with the names and dimensions of the signature."""
    with quiet(*NOISY, "onnxscript"):
        model = torch.onnx.export(
            captured,
            dynamo=True,
            opset_version=OPSET,
            input_names=[spec.name for spec in signature.inputs],
            output_names=[spec.name for spec in signature.outputs],
            verbose=False,
        ).model
    for node in model.graph.all_nodes():
        node.metadata_props.clear()
        node.doc_string = None
    for value in (*model.graph.inputs, *model.graph.outputs, *model.graph.initializers.values()):
        value.metadata_props.clear()
    model.graph.metadata_props.clear()
    model.metadata_props.clear()
    _name_dimensions(model, signature)
    return model


def _name_dimensions(model: Any, signature: Signature) -> None:
    """Open dimensions get the signature's names. Raises `PluginError` where one was fixed."""
    import onnx_ir

    specs = (*signature.inputs, *signature.outputs)
    for value, spec in zip((*model.graph.inputs, *model.graph.outputs), specs, strict=True):
        sizes = tuple(value.shape or ())
        for size, wanted in zip(sizes, spec.shape, strict=True):
            if isinstance(size, int) != isinstance(wanted, int):
                raise PluginError(
                    f"the exporter gave {spec.name} the shape {sizes}, expected {spec.shape}",
                    hint="The model's code depends on a size that should be free.",
                )
        value.shape = onnx_ir.Shape(spec.shape)


def _write(model: Any, out: Path) -> None:
    import onnx_ir

    size = sum(value.const_value.nbytes for value in model.graph.initializers.values())
    onnx_ir.save(model, out / FILE, external_data=WEIGHTS if size > LARGEST else None)
