"""The hooks. What they do lies in the modules that are imported when it is asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from core_plugin_torch.options import BY_CAPABILITY
from hwcore.contract import (
    Artifact,
    Context,
    Dataset,
    Draft,
    Options,
    Runner,
    Sensitivity,
    Target,
    hookimpl,
)
from hwcore.vendor import quiet, same_path


@hookimpl
def sensitivity(source: Artifact, options: Options, data: Dataset, ctx: Context) -> Sensitivity:
    """One layer treated at a time, in eager float32."""
    from core_plugin_torch.sensitivity.measure import sensitivity

    chosen: Any = BY_CAPABILITY["sensitivity"].model_validate(options)
    return sensitivity(source, chosen, data, ctx)


@hookimpl
def export(source: Artifact, capability: str, options: Options, out: Path, ctx: Context) -> Draft:
    """``export``."""
    from core_plugin_torch.export import export

    chosen: Any = BY_CAPABILITY[capability].model_validate(options)
    return {"export": export}[capability](source, chosen, out, ctx)


@hookimpl
def sparsify(
    source: Artifact,
    capability: str,
    options: Options,
    data: Dataset | None,
    target: Target,
    reference: Artifact,
    out: Path,
    ctx: Context,
) -> Draft:
    """Zeros, parts that go, ``low-rank`` and ``low-rank-data``, and ``prune-recover``."""
    chosen: Any = BY_CAPABILITY[capability].model_validate(options)
    if capability == "prune-recover":
        with same_path(), quiet("torch", "torchao"):  # what transformers imports talks
            from core_plugin_torch.recovery.prune import prune_recover

        return prune_recover(source, chosen, data, target, reference, out, ctx)
    if capability.startswith("low-rank"):
        from core_plugin_torch.lowrank.sparsify import low_rank, low_rank_data

        if capability == "low-rank":
            return low_rank(source, chosen, out, ctx)
        return low_rank_data(source, chosen, data, out, ctx)
    from core_plugin_torch import sparsify as rows

    without_data: Any = {"magnitude": rows.magnitude, "structured": rows.by_norms}
    if capability in without_data:
        return without_data[capability](source, chosen, out, ctx)  # type: ignore[no-any-return]
    with_data: Any = {
        "wanda": rows.wanda,
        "sparsegpt": rows.sparsegpt,
        "structured-data": rows.by_data,
    }
    return with_data[capability](source, chosen, data, out, ctx)  # type: ignore[no-any-return]


@hookimpl
def quantize(
    source: Artifact,
    capability: str,
    options: Options,
    data: Dataset | None,
    target: Target,
    reference: Artifact,
    out: Path,
    ctx: Context,
) -> Draft:
    """``int8-static``, ``int8-dynamic``, ``cluster`` and ``qat``."""
    chosen: Any = BY_CAPABILITY[capability].model_validate(options)
    if capability == "int8-static":
        from core_plugin_torch.pt2e.quantize import static

        return static(source, chosen, data, target, out, ctx)
    if capability == "int8-dynamic":
        from core_plugin_torch.pt2e.quantize import dynamic

        return dynamic(source, chosen, target, out, ctx)
    if capability == "cluster":
        from core_plugin_torch.cluster.quantize import cluster

        return cluster(source, chosen, out, ctx)
    with same_path(), quiet("torch", "torchao"):
        from core_plugin_torch.recovery.quantize import qat

    return {"qat": qat}[capability](source, chosen, data, target, reference, out, ctx)


@hookimpl
def compile(
    source: Artifact, capability: str, options: Options, target: Target, out: Path, ctx: Context
) -> Draft:
    """``aoti``."""
    from core_plugin_torch.compile import aoti

    chosen: Any = BY_CAPABILITY[capability].model_validate(options)
    return {"aoti": aoti}[capability](source, chosen, target, out, ctx)


@hookimpl
def run(
    artifact: Artifact, capability: str, options: Options, target: Target, ctx: Context
) -> Runner:
    """``eager``, ``eager-bf16``, ``exported`` and ``compiled``."""
    chosen: Any = BY_CAPABILITY[capability].model_validate(options)
    match capability:
        case "exported":
            from core_plugin_torch.exported import exported

            return exported(artifact, chosen, ctx)
        case "compiled":
            from core_plugin_torch.compiled import compiled

            return compiled(artifact, chosen, target, ctx)
        case _:
            from core_plugin_torch.run import eager

            return eager(artifact, chosen, ctx)
