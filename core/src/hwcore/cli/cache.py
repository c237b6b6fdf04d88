"""``hwcore cache list`` and ``hwcore cache prune``."""

from __future__ import annotations

from typing import Annotated

import typer

from hwcore.cli import options as o

app = typer.Typer(no_args_is_help=True, help="See and remove finished steps, data and studies.")


@app.command("list", epilog="Example: hwcore cache list --json")
def list_(context: typer.Context, json: o.Json = False) -> None:
    """List what is in the cache, the longest unused first."""
    from hwcore.cli.tables import show_cache

    cache = context.obj.cache()
    entries = cache.entries()
    if json:
        from json import dumps

        rows = [{**entry._asdict(), "path": str(entry.path)} for entry in entries]
        typer.echo(dumps(rows, indent=1))
    else:
        show_cache(cache.root, entries)


@app.command("prune", epilog="Example: hwcore cache prune --older-than 30 --max-size 5")
def prune(
    context: typer.Context,
    older_than: Annotated[
        float | None, typer.Option(min=0, help="Remove what was not used for so many days.")
    ] = None,
    max_size: Annotated[
        float | None, typer.Option(min=0, help="Remove the longest unused beyond so many GB.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Remove everything.")] = False,
    json: o.Json = False,
) -> None:
    """Remove what you no longer need. Left-overs of programs that died always go."""
    cache = context.obj.cache()
    gone = cache.prune(
        older_than_s=None if older_than is None else older_than * 86400,
        max_bytes=0 if everything else None if max_size is None else int(max_size * 1e9),
    )
    if json:
        from json import dumps

        typer.echo(dumps([{"kind": e.kind, "key": e.key, "bytes": e.size_bytes} for e in gone]))
    else:
        freed = sum(entry.size_bytes for entry in gone)
        typer.echo(f"removed {len(gone)} entries, {freed / 1e6:.1f} MB")
