"""The hooks. An implementation takes the arguments it needs and leaves the others out.

A plugin author writes two files::

    # hwcore-plugin.toml              # plugin.py
    name = "acme"                     from hwcore.contract import Draft, hookimpl
    contract = ">=1,<2"
    [[capabilities]]                  @hookimpl
    id = "int4"                       def quantize(source, options, out, ctx):
    hook = "quantize"                     ...
    ...                                   return Draft(format="acme", ...)

and points the entry point ``hwcore.plugins`` at the module.
"""

from __future__ import annotations

from pathlib import Path

import pluggy

from hwcore.contract.artifact import Artifact, Draft
from hwcore.contract.base import Options
from hwcore.contract.context import Context
from hwcore.contract.dataset import Dataset
from hwcore.contract.device import Device, Target
from hwcore.contract.runner import Runner
from hwcore.contract.sensitivity import Sensitivity

PROJECT = "hwcore"
ENTRY_POINT_GROUP = "hwcore.plugins"

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def devices(ctx: Context) -> list[Device]:  # type: ignore[empty-body]
    """Devices this plugin can use here. Cheap and quiet; missing hardware is an empty list."""


@hookspec(firstresult=True)
def sensitivity(  # type: ignore[empty-body]
    source: Artifact, options: Options, data: Dataset, target: Target, ctx: Context
) -> Sensitivity:
    """What each layer of a ``transformers`` artifact loses when it alone is treated."""


@hookspec(firstresult=True)
def export(  # type: ignore[empty-body]
    source: Artifact,
    capability: str,
    options: Options,
    data: Dataset | None,
    target: Target,
    reference: Artifact,
    out: Path,
    ctx: Context,
) -> Draft:
    """From a ``transformers`` artifact, or another graph, to a graph format."""


@hookspec(firstresult=True)
def quantize(  # type: ignore[empty-body]
    source: Artifact,
    capability: str,
    options: Options,
    data: Dataset | None,
    target: Target,
    reference: Artifact,
    out: Path,
    ctx: Context,
) -> Draft:
    """Fewer bits. ``data`` has the rows that the capability declared a need for."""


@hookspec(firstresult=True)
def sparsify(  # type: ignore[empty-body]
    source: Artifact,
    capability: str,
    options: Options,
    data: Dataset | None,
    target: Target,
    reference: Artifact,
    out: Path,
    ctx: Context,
) -> Draft:
    """Zeros, with their pattern and share in the draft's traits; or fewer ``parameters``."""


@hookspec(firstresult=True)
def compile(  # type: ignore[empty-body]
    source: Artifact,
    capability: str,
    options: Options,
    data: Dataset | None,
    target: Target,
    reference: Artifact,
    out: Path,
    ctx: Context,
) -> Draft:
    """An artifact that loads and runs fast on ``target``."""


@hookspec(firstresult=True)
def run(  # type: ignore[empty-body]
    artifact: Artifact, capability: str, options: Options, target: Target, ctx: Context
) -> Runner:
    """Load an artifact."""
