"""Dynamic int8: weights are 8 bits in the file, activations become so at each call.

The weight of a matrix product has a scale for each column, measured here. Its input gets one
scale and zero point for the whole tensor, measured on the tensor itself when the model runs.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

from core_plugin_onnxruntime import graph, session, smooth
from core_plugin_onnxruntime.libraries import NOISY, require
from core_plugin_onnxruntime.options import QuantizeOptions, SmoothOptions
from hwcore.contract import (
    Array,
    Arrays,
    Artifact,
    Cancelled,
    Component,
    Context,
    Dataset,
    Draft,
    PluginError,
    Target,
)
from hwcore.data import batches
from hwcore.vendor import quiet, same_path

SCHEME = "int8-dynamic"


def int8_dynamic(
    source: Artifact,
    options: QuantizeOptions,
    data: Dataset | None,
    target: Target,
    out: Path,
    ctx: Context,
) -> Draft:
    """Quantize matrix products with constant weights, with `SmoothOptions` after smoothing.

    Attention, and a classifier's head on one token of each row (Gemm), stay as they are.

    Raises `PluginError` if there is none, `Cancelled` between two calibration rows.
    """
    require("onnx", "quantizing")
    # Beside the result, as its disk is the one that has to have room; gone before it is sealed.
    with tempfile.TemporaryDirectory(dir=out) as folder:
        file = _prepare(source, options, data, Path(folder), ctx)
        ctx.progress(0.5, "quantizing")
        _quantize(file, options, reduces_range(options, target), out / graph.FILE)
    result = graph.read(out / graph.FILE, weights=False)
    return Draft(
        format=graph.FORMAT,
        traits=source.traits.model_copy(update={"quantization": SCHEME}),
        components={"model": Component(signature=source.component().signature, file=graph.FILE)},
        facts={
            "ops_quantized": graph.quantized_operations(result),
            **graph.size_facts(result, source),
        },
    )


def reduces_range(options: QuantizeOptions, target: Target) -> bool:
    """Whether weights get 7 bits.

    x86 without VNNI adds products of bytes up in pairs of 16 bits (``vpmaddubsw``), which
    saturate when both factors use all of theirs.
    """
    if options.reduce_range is not None:
        return options.reduce_range
    return target.has("avx2", "avx512f") and not target.has("vnni")


def _prepare(
    source: Artifact, options: QuantizeOptions, data: Dataset | None, folder: Path, ctx: Context
) -> Path:
    """Write the model to quantize: ONNX Runtime puts a file of its own beside what it reads."""
    ctx.progress(0.0, "reading the graph")
    model = graph.read(source.component_file())
    if isinstance(options, SmoothOptions):
        if data is None:
            raise PluginError("it was given no calibration rows, which its manifest asks for")
        smooth.apply(model, _activations(source, options, data, ctx), options.alpha)
    # ONNX Runtime transposes the weights of Gemm, and believes what is noted of their shapes.
    weights = {tensor.name for tensor in model.graph.initializer}
    values = [value for value in model.graph.value_info if value.name not in weights]
    del model.graph.value_info[:]
    model.graph.value_info.extend(values)
    return graph.save(model, folder)


def _quantize(file: Path, options: QuantizeOptions, reduce_range: bool, result: Path) -> None:
    import onnx

    with same_path():
        from onnxruntime.quantization import QuantType, quantize_dynamic

    model = graph.read(file, weights=False)
    names = {node.name for nodes in graph.products(model).values() for node in nodes}
    chosen = sorted(names - set(options.nodes_to_exclude))
    if not chosen:  # to ONNX Runtime an empty list is all of them
        raise PluginError("the model has no matrix product with constant weights to quantize")
    # Preprocessing, which it recommends in a warning, infers shapes and folds constants: the
    # exporter did.
    with quiet(*NOISY):
        quantize_dynamic(
            file,
            result,
            op_types_to_quantize=["MatMul"],
            nodes_to_quantize=chosen,
            per_channel=options.per_channel,
            reduce_range=reduce_range,
            weight_type=QuantType.QInt8 if options.weight_type == "int8" else QuantType.QUInt8,
            use_external_data_format=graph.weight_bytes(model) > options.external_data_above,
            # Of values whose type shape inference cannot tell: all of them are floats.
            extra_options={"DefaultTensorType": onnx.TensorProto.FLOAT},
        )
    weights = result.with_name(graph.WEIGHTS)
    if weights.exists():  # the onnx package lets none but its owner read it
        weights.chmod(result.stat().st_mode)


def _activations(
    source: Artifact, options: SmoothOptions, data: Dataset, ctx: Context
) -> dict[str, Array]:
    """Largest magnitudes of the inputs of matrix products, measured on calibration rows."""
    import onnx

    model = graph.read(source.component_file(), weights=False)
    names = list(graph.products(model))
    model.graph.output.extend(onnx.helper.make_empty_tensor_value_info(name) for name in names)
    probe = session.from_model(
        model, source.component_file().parent, session.options(threads=ctx.threads, level="all")
    )
    return smooth.largest(probe, names, _rows(source, options, data, ctx))


def _rows(
    source: Artifact, options: SmoothOptions, data: Dataset, ctx: Context
) -> Iterator[Arrays]:
    """Calibration rows one at a time, so that there is no padding among them."""
    signature = source.component().signature
    limit = min(options.rows, data.count("calibration"))
    for done, batch in enumerate(
        batches(data, "calibration", batch_size=1, limit=limit, signature=signature)
    ):
        if ctx.cancelled():
            raise Cancelled("quantization was stopped")
        ctx.progress(0.1 + 0.4 * done / limit, "calibrating")
        yield batch.inputs
