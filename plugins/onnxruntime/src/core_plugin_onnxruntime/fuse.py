"""Compile: the graph as ONNX Runtime's optimizers leave it, saved, so that it need not be done
when the model is loaded. The result holds nothing that is bound to a machine: layouts for one
instruction set come with the level after the last one offered here.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import JsonValue

from core_plugin_onnxruntime import attention, graph, session
from core_plugin_onnxruntime.libraries import require
from core_plugin_onnxruntime.options import CompileOptions
from hwcore.contract import Artifact, Component, Context, Draft

if TYPE_CHECKING:
    from onnx import ModelProto

STAGE = "fused"
_SAME_FILE_BYTES = "1024"
"""Smaller tensors stay in the graph's file where weights are external."""


def fused(source: Artifact, options: CompileOptions, out: Path, ctx: Context) -> Draft:
    """Flatten attention, run the optimizers and save what they made."""
    require("onnx", "fusing")
    file = source.component_file()
    ctx.progress(0.0, "reading the graph")
    model = graph.read(file, weights=False)
    before = graph.count(model)
    flattened = attention.flatten(model) if options.attention else 0
    ctx.progress(0.2, "optimizing the graph")
    made = session.options(threads=ctx.threads, level=options.level)
    made.optimized_model_filepath = str(out / graph.FILE)
    if graph.weight_bytes(model) > options.external_data_above:
        for key, value in (
            ("session.optimized_model_external_initializers_file_name", graph.WEIGHTS),
            (
                "session.optimized_model_external_initializers_min_size_in_bytes",
                _SAME_FILE_BYTES,
            ),
        ):
            made.add_session_config_entry(key, value)
    session.from_model(model, file.parent, made, options.disabled_optimizers)
    ctx.progress(0.9, "counting")
    result = _tidy(out / graph.FILE)
    return Draft(
        format=graph.FORMAT,
        traits=source.traits.model_copy(
            update={"stage": STAGE, "op_domains": graph.domains(result)}
        ),
        components={"model": Component(signature=source.component().signature, file=graph.FILE)},
        facts=_facts(source, result, before, flattened),
    )


def _tidy(file: Path) -> ModelProto:
    """Drop the domains that ONNX Runtime names and the graph does not use."""
    model = graph.read(file, weights=False)
    used = {*graph.STANDARD, *graph.domains(model)}
    imports = [entry for entry in model.opset_import if entry.domain in used]
    del model.opset_import[:]
    model.opset_import.extend(imports)
    file.write_bytes(model.SerializeToString(deterministic=True))
    return model


def _facts(
    source: Artifact, result: ModelProto, before: Counter[str], flattened: int
) -> dict[str, JsonValue]:
    """``fusions``: how often each fused operator was put in place of others."""
    appeared = graph.count(result) - before
    fusions: dict[str, JsonValue] = {
        name.removeprefix("com.microsoft."): times
        for name, times in sorted(appeared.items())
        if name.startswith("com.microsoft.")
    }
    if flattened:
        fusions["Attention"] = flattened
    return {
        "fusions": fusions,
        "ops_quantized": graph.quantized_operations(result),
        **graph.size_facts(result, source),
    }
