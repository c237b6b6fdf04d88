"""The hooks. What they do lies in the module of each name, imported when it is asked for."""

from __future__ import annotations

from pathlib import Path

from core_plugin_onnxruntime import options as o
from hwcore.contract import Artifact, Context, Dataset, Draft, Options, Runner, Target, hookimpl


@hookimpl
def export(source: Artifact, options: Options, out: Path, ctx: Context) -> Draft:
    """``onnx``."""
    from core_plugin_onnxruntime.export import to_onnx

    return to_onnx(source, o.ExportOptions.model_validate(options), out, ctx)


@hookimpl
def quantize(
    source: Artifact,
    capability: str,
    options: Options,
    data: Dataset | None,
    target: Target,
    out: Path,
    ctx: Context,
) -> Draft:
    """``int8-dynamic`` and ``int8-dynamic-smooth``."""
    from core_plugin_onnxruntime.quantize import int8_dynamic

    given = o.BY_CAPABILITY[capability].model_validate(options)
    return int8_dynamic(source, given, data, target, out, ctx)


@hookimpl
def compile(source: Artifact, options: Options, out: Path, ctx: Context) -> Draft:
    """``fused``."""
    from core_plugin_onnxruntime.fuse import fused

    return fused(source, o.CompileOptions.model_validate(options), out, ctx)


@hookimpl
def run(artifact: Artifact, options: Options, target: Target, ctx: Context) -> Runner:
    """``cpu``."""
    from core_plugin_onnxruntime.run import cpu

    return cpu(artifact, o.RunOptions.model_validate(options), target, ctx)
