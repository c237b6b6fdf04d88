"""From a capability and its options to the module that does it."""

from __future__ import annotations

from pathlib import Path

import torch

from core_plugin_intel import options as o
from hwcore.contract import Artifact, Context, Dataset, Draft, Value


def run(
    capability: str,
    options: Value,
    source: Artifact,
    data: Dataset | None,
    out: Path,
    ctx: Context,
) -> Draft:
    """Do a step with the threads that it was given, and put the setting back."""
    from core_plugin_intel.config import resolve

    before = torch.get_num_threads()
    torch.set_num_threads(ctx.threads)
    try:
        return _run(capability, resolve(options, capability, ctx), source, data, out, ctx)
    finally:
        torch.set_num_threads(before)


def _run(
    capability: str,
    options: Value,
    source: Artifact,
    data: Dataset | None,
    out: Path,
    ctx: Context,
) -> Draft:
    match options:
        case o.TunedOptions() if capability == "onnx-int8-tuned":
            from core_plugin_intel import onnx_qdq

            return onnx_qdq.tuned(source, options, data, out, ctx)
        case o.TunedOptions():
            from core_plugin_intel.tuning import tuned

            return tuned(source, options, data, out, ctx)
        case o.StaticOptions() if capability == "onnx-int8":
            from core_plugin_intel import onnx_qdq

            return onnx_qdq.static(source, options, data, out, ctx)
        case o.StaticOptions():
            from core_plugin_intel.int8 import static

            return static(source, options, data, out, ctx)
        case o.DynamicOptions():
            from core_plugin_intel.int8 import dynamic

            return dynamic(source, options, out, ctx)
        case o.HalfOptions():
            from core_plugin_intel.half import bf16

            return bf16(source, options, out, ctx)
        case o.Int8WeightOptions():
            from core_plugin_intel.weight_only import int8

            return int8(source, options, out, ctx)
        case o.Int4Options():
            from core_plugin_intel.weight_only import int4

            return int4(source, options, data, out, ctx)
    raise TypeError(f"no step takes {type(options).__name__}")
