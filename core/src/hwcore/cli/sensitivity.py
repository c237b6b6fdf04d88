"""``hwcore sensitivity``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hwcore.cli import options as o

EXAMPLE = "Example: hwcore sensitivity ./my-model --data reviews.csv --out ./sensitivity"


def sensitivity(
    context: typer.Context,
    model: o.ModelArgument,
    data: o.Data = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder for sensitivity.json and sensitivity.png, the heat-map."),
    ] = None,
    plugin: Annotated[str | None, typer.Option(help="Which plugin, where several could.")] = None,
    option: o.StepOptions = None,
    text_column: o.TextColumn = None,
    label_column: o.LabelColumn = None,
    max_length: o.MaxLength = None,
    threads: o.Threads = None,
    seed: o.Seed = 0,
    revision: o.Revision = None,
    trust_remote_code: o.RemoteCode = False,
    json: o.Json = False,
    quiet: o.Quiet = False,
) -> None:
    """Show what each layer costs in accuracy at int8, 4 bits and with zeros, and weighs in time.

    One layer at a time is treated, everything else stays as it was, and the model's answers to
    some of your rows are compared. Run again, it shows what was measured.
    """
    from hwcore.cli.settings import reporter
    from hwcore.cli.tables import show_sensitivity
    from hwcore.workflows.sensitivity import SensitivityRequest
    from hwcore.workflows.sensitivity import sensitivity as run

    settings = context.obj
    request = SensitivityRequest(
        model=model,
        data=o.data_request(data, text_column, label_column, max_length),
        plugin=plugin,
        options=o.parse_options(option),
        out=out,
        seed=seed,
        revision=revision,
        trust_remote_code=trust_remote_code,
    )
    with settings.host(threads=threads) as host:
        found = run(request, host, settings.cache(), reporter=reporter(quiet=quiet))
    if json:
        typer.echo(found.model_dump_json(indent=1))
    else:
        show_sensitivity(found, out)
