"""``hwcore plugins list`` and ``hwcore plugins info``."""

from __future__ import annotations

from typing import Annotated

import typer

from hwcore.cli import options as o

app = typer.Typer(no_args_is_help=True, help="See what is installed, without loading any of it.")


@app.command("list", epilog="Example: hwcore plugins list --json")
def list_(context: typer.Context, json: o.Json = False) -> None:
    """List the installed plugins, the broken and the blocked ones too, each with the reason."""
    records = context.obj.discover().records
    if json:
        from json import dumps

        rows = [
            {
                "name": record.name,
                "distribution": record.distribution,
                "version": record.version,
                "state": record.state,
                "reason": record.reason,
                "hooks": list(record.hooks),
                "capabilities": [row.id for row in record.capabilities],
            }
            for record in records
        ]
        typer.echo(dumps(rows, indent=1))
    else:
        from hwcore.cli.tables import show_plugins

        show_plugins(records)


@app.command("info", epilog="Example: hwcore plugins info onnxruntime")
def info(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="Name of the plugin.")],
    json: o.Json = False,
) -> None:
    """Show one plugin: what it does, on what, with which options, and what it needs."""
    record = context.obj.discover().record(name)
    if json:
        from json import dumps

        manifest = record.manifest.model_dump(mode="json") if record.manifest else None
        typer.echo(
            dumps(
                {
                    "name": record.name,
                    "distribution": record.distribution,
                    "version": record.version,
                    "state": record.state,
                    "reason": record.reason,
                    "folder": str(record.folder),
                    "manifest": manifest,
                    "options": dict(record.schemas),
                },
                indent=1,
            )
        )
    else:
        from hwcore.cli.tables import show_plugin

        show_plugin(record)
