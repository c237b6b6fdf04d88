"""``hwcore optimize``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hwcore.cli import options as o

EXAMPLE = "Example: hwcore optimize ./my-model --data reviews.csv --max-drop 0.01 --out ./fast"


def optimize(
    context: typer.Context,
    model: o.ModelArgument,
    data: o.Data = None,
    max_drop: Annotated[
        float,
        typer.Option(help="Most accuracy that may be lost, as a share: 0.01 is one point."),
    ] = 0.01,
    out: Annotated[
        Path | None, typer.Option(help="Folder for the recommended model; made at the end.")
    ] = None,
    study: Annotated[
        Path | None,
        typer.Option(help="Folder for study.json and pareto.png; by default in the cache."),
    ] = None,
    text_column: o.TextColumn = None,
    label_column: o.LabelColumn = None,
    max_length: o.MaxLength = None,
    rows: Annotated[
        int | None,
        typer.Option(help="Judge on so many held-out rows; by default on all, at most 2000."),
    ] = None,
    batch: Annotated[
        list[int] | None,
        typer.Option(min=1, help="Batch size to time; repeatable, the first decides. [1, 8]"),
    ] = None,
    length: Annotated[
        int | None,
        typer.Option(min=1, help="Tokens per row when timing; by default as in the data."),
    ] = None,
    rounds: Annotated[int, typer.Option(min=3, help="Interleaved rounds of timing.")] = 15,
    recipe: Annotated[
        list[str] | None,
        typer.Option(help="Try only this recipe, by name or file; repeatable."),
    ] = None,
    threads: o.Threads = None,
    step_seconds: Annotated[
        float, typer.Option(min=1, help="Give a step up that takes longer.")
    ] = 3600,
    seed: o.Seed = 0,
    revision: o.Revision = None,
    trust_remote_code: o.RemoteCode = False,
    again: Annotated[
        bool, typer.Option("--again", help="Retry plans that failed, and time all of them anew.")
    ] = False,
    json: o.Json = False,
    quiet: o.Quiet = False,
) -> None:
    """Try what the installed plugins can do with a model, and keep the fastest accurate result.

    Every plan is built once, checked against the original, judged on held-out rows, and timed
    in a process of its own, interleaved with the original. Run again, it goes on where it was.
    """
    from hwcore.cli.settings import reporter
    from hwcore.cli.tables import show_study
    from hwcore.workflows.optimize import OptimizeRequest
    from hwcore.workflows.optimize import optimize as run

    settings = context.obj
    request = OptimizeRequest(
        model=model,
        data=o.data_request(data, text_column, label_column, max_length),
        out=out,
        study=study,
        max_drop=max_drop,
        rows=rows,
        batch_sizes=tuple(batch) if batch else (1, 8),
        length=length,
        rounds=rounds,
        threads=threads,
        seed=seed,
        recipes=tuple(recipe or ()),
        revision=revision,
        trust_remote_code=trust_remote_code,
        again=again,
    )
    with settings.host(threads=threads, seconds=step_seconds) as host:
        outcome = run(request, host, settings.cache(), reporter=reporter(quiet=quiet))
    if json:
        typer.echo(outcome.study.model_dump_json(indent=1))
    else:
        # A study in the cache is nothing to look for: the result has copies.
        folder = outcome.folder if study is not None else outcome.out or outcome.folder
        show_study(outcome, folder=folder)
