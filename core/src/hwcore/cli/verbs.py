"""``hwcore export``, ``quantize``, ``sparsify``, ``compile``: one step, checked, into a folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hwcore.cli import options as o

if TYPE_CHECKING:
    from hwcore.workflows.verbs import StepRequest

EXPORT_EXAMPLE = "Example: hwcore export ./my-model --plugin onnxruntime --out ./my-model-onnx"
QUANTIZE_EXAMPLE = (
    "Example: hwcore quantize ./my-model-onnx --plugin onnxruntime --out ./my-model-int8"
)
SPARSIFY_EXAMPLE = (
    "Example: hwcore sparsify ./my-model --plugin torch --capability magnitude -o pattern=1x4 "
    "-o share=0.8 --out ./my-model-sparse"
)
COMPILE_EXAMPLE = "Example: hwcore compile ./my-model-ir --plugin openvino --out ./my-model-blob"

Out = Annotated[Path, typer.Option(help="Folder for the result; made at the end.")]
Plugin = Annotated[str | None, typer.Option(help="Which plugin, where several could.")]
CapabilityName = Annotated[
    str | None, typer.Option("--capability", help="Which of its capabilities, where several fit.")
]


def export(
    context: typer.Context,
    model: o.ModelArgument,
    out: Out,
    plugin: Plugin = None,
    capability: CapabilityName = None,
    option: o.StepOptions = None,
    revision: o.Revision = None,
    trust_remote_code: o.RemoteCode = False,
    seed: o.Seed = 0,
    json: o.Json = False,
    quiet: o.Quiet = False,
) -> None:
    """Export a model to a graph format, and check that it computes the same."""
    from hwcore.workflows.verbs import StepRequest

    request = StepRequest(
        "export",
        model,
        out,
        plugin,
        capability,
        o.parse_options(option),
        seed=seed,
        revision=revision,
        trust_remote_code=trust_remote_code,
    )
    _run(context, request, json=json, quiet=quiet)


def quantize(
    context: typer.Context,
    model: o.ModelArgument,
    out: Out,
    plugin: Plugin = None,
    capability: CapabilityName = None,
    option: o.StepOptions = None,
    data: o.Data = None,
    text_column: o.TextColumn = None,
    label_column: o.LabelColumn = None,
    max_length: o.MaxLength = None,
    recover: o.Recover = False,
    reference: o.Reference = None,
    seed: o.Seed = 0,
    json: o.Json = False,
    quiet: o.Quiet = False,
) -> None:
    """Quantize an artifact: fewer bits, with the user's data where the method needs some."""
    from hwcore.workflows.verbs import StepRequest

    request = StepRequest(
        "quantize",
        model,
        out,
        plugin,
        capability,
        o.parse_options(option),
        data=o.data_request(data, text_column, label_column, max_length),
        seed=seed,
        recover=recover,
        reference=reference,
    )
    _run(context, request, json=json, quiet=quiet)


def sparsify(
    context: typer.Context,
    model: o.ModelArgument,
    out: Out,
    plugin: Plugin = None,
    capability: CapabilityName = None,
    option: o.StepOptions = None,
    data: o.Data = None,
    text_column: o.TextColumn = None,
    label_column: o.LabelColumn = None,
    max_length: o.MaxLength = None,
    recover: o.Recover = False,
    reference: o.Reference = None,
    revision: o.Revision = None,
    trust_remote_code: o.RemoteCode = False,
    seed: o.Seed = 0,
    json: o.Json = False,
    quiet: o.Quiet = False,
) -> None:
    """Set weights to zero, or take parts out, with the user's data where the method needs some."""
    from hwcore.workflows.verbs import StepRequest

    request = StepRequest(
        "sparsify",
        model,
        out,
        plugin,
        capability,
        o.parse_options(option),
        data=o.data_request(data, text_column, label_column, max_length),
        seed=seed,
        revision=revision,
        trust_remote_code=trust_remote_code,
        recover=recover,
        reference=reference,
    )
    _run(context, request, json=json, quiet=quiet)


def compile_(
    context: typer.Context,
    model: o.ModelArgument,
    out: Out,
    plugin: Plugin = None,
    capability: CapabilityName = None,
    option: o.StepOptions = None,
    seed: o.Seed = 0,
    json: o.Json = False,
    quiet: o.Quiet = False,
) -> None:
    """Compile an artifact for this machine, and check that it computes the same."""
    from hwcore.workflows.verbs import StepRequest

    request = StepRequest(
        "compile", model, out, plugin, capability, o.parse_options(option), seed=seed
    )
    _run(context, request, json=json, quiet=quiet)


def _run(context: typer.Context, request: StepRequest, *, json: bool, quiet: bool) -> None:
    from hwcore.cli.settings import reporter
    from hwcore.workflows.verbs import run_step

    settings = context.obj
    with settings.host() as host:
        artifact, executed = run_step(
            request, host, settings.cache(), reporter=reporter(quiet=quiet)
        )
    if json:
        typer.echo(artifact.manifest.model_dump_json(indent=1))
        return
    record = executed.steps[-1]
    again = " (finished before)" if record.cached else ""
    typer.echo(f"{record.step}: {record.check.status}, {record.check.detail}{again}")
    typer.echo(f"{request.out}: {artifact.format}, {artifact.size_bytes / 1e6:.1f} MB")
