"""The hooks. What they do lies in the module of each name, imported when it is asked for."""

from __future__ import annotations

from pathlib import Path

from core_plugin_openvino import options as o
from hwcore.contract import (
    Artifact,
    Context,
    Dataset,
    Draft,
    Options,
    Runner,
    Target,
    hookimpl,
)


@hookimpl
def export(source: Artifact, capability: str, out: Path, ctx: Context) -> Draft:
    """``ir`` and ``ir-from-onnx``."""
    from core_plugin_openvino.export import from_module, from_onnx

    make = {"ir": from_module, "ir-from-onnx": from_onnx}[capability]
    return make(source, out, ctx)


@hookimpl
def quantize(
    source: Artifact,
    options: Options,
    data: Dataset | None,
    target: Target,
    out: Path,
    ctx: Context,
) -> Draft:
    """``int8-ptq``."""
    from core_plugin_openvino.quantize import int8

    return int8(source, o.QuantizeOptions.model_validate(options), data, target, out, ctx)


@hookimpl
def compile(source: Artifact, options: Options, target: Target, out: Path, ctx: Context) -> Draft:
    """``blob``."""
    from core_plugin_openvino.compile import blob

    return blob(source, o.CompileOptions.model_validate(options), target, out, ctx)


@hookimpl
def run(
    artifact: Artifact, capability: str, options: Options, target: Target, ctx: Context
) -> Runner:
    """``cpu`` and ``cpu-bf16``."""
    from core_plugin_openvino.run import cpu

    return cpu(artifact, o.BY_CAPABILITY[capability].model_validate(options), target, ctx)
