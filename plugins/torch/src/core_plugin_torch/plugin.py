"""The hook. What it does lies in ``run``, imported when it is called."""

from __future__ import annotations

from core_plugin_torch.options import BY_CAPABILITY
from hwcore.contract import Artifact, Context, Options, Runner, hookimpl


@hookimpl
def run(artifact: Artifact, capability: str, options: Options, ctx: Context) -> Runner:
    """``eager`` and ``eager-bf16``."""
    from core_plugin_torch.run import eager

    return eager(artifact, BY_CAPABILITY[capability].model_validate(options), ctx)
