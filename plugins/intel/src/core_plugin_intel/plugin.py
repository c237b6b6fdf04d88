"""The hook. What it does lies in the module of each name, imported when it is asked for."""

from __future__ import annotations

from pathlib import Path

from core_plugin_intel import options as o
from hwcore.contract import Artifact, Context, Dataset, Draft, Options, UserError, hookimpl


@hookimpl
def quantize(
    source: Artifact,
    capability: str,
    options: Options,
    data: Dataset | None,
    out: Path,
    ctx: Context,
) -> Draft:
    """Every row of the manifest."""
    kind = o.BY_CAPABILITY.get(capability)
    if kind is None:
        raise UserError(
            f"the plugin intel has no capability {capability!r}",
            hint=f"It has {', '.join(o.BY_CAPABILITY)}.",
        )
    from core_plugin_intel.steps import run

    return run(capability, kind.model_validate(options), source, data, out, ctx)
