"""``hwcore bench``."""

from __future__ import annotations

from typing import Annotated

import typer

from hwcore.cli import options as o

EXAMPLE = "Example: hwcore bench ./my-model ./fast --length 128"


def bench(
    context: typer.Context,
    models: Annotated[
        list[str],
        typer.Argument(help="Models or artifacts; speed-ups are over the first."),
    ],
    batch: Annotated[
        list[int] | None, typer.Option(min=1, help="Batch size; repeatable. [1]")
    ] = None,
    length: Annotated[
        int | None,
        typer.Option(min=1, help="Tokens per row. [128, or as many as the model takes]"),
    ] = None,
    rounds: Annotated[int, typer.Option(min=3, help="Interleaved rounds.")] = 15,
    threads: o.Threads = None,
    verify: Annotated[
        bool, typer.Option("--verify", help="Hash every file of the artifacts first.")
    ] = False,
    json: o.Json = False,
    quiet: o.Quiet = False,
) -> None:
    """Time models against each other, each in its own process, in interleaved rounds."""
    from hwcore.cli.settings import reporter
    from hwcore.cli.tables import show_bench
    from hwcore.workflows.bench import bench as run

    settings = context.obj
    with settings.host(threads=threads) as host:
        rows = run(
            models,
            host,
            settings.cache(),
            batch_sizes=tuple(batch) if batch else (1,),
            length=length,
            rounds=rounds,
            verify=verify,
            reporter=reporter(quiet=quiet),
        )
    if json:
        from json import dumps

        typer.echo(dumps([row.model_dump(mode="json") for row in rows], indent=1))
    else:
        show_bench(rows)
