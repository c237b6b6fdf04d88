"""``hwcore new-plugin``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hwcore.cli import options as o

EXAMPLE = "Example: hwcore new-plugin acme --vendor 'Acme Computing' --out ./acme-hwcore"


def new_plugin(
    name: Annotated[str, typer.Argument(help="Name of the plugin, such as acme.")],
    vendor: Annotated[
        str | None, typer.Option(help="Who it is from; like the plugin by default.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder for the package; NAME-hwcore by default.")
    ] = None,
    json: o.Json = False,
) -> None:
    """Write the complete package of a plugin, to be made into your own.

    It works as it is: it exports BERT encoders to a format of its own and runs them with numpy.
    It has tests, and a workflow that runs the conformance suite on its wheel.
    """
    from hwcore.workflows.new_plugin import new_plugin as write

    made = write(name, out, vendor=vendor)
    steps = made.next_steps
    if json:
        from json import dumps

        typer.echo(
            dumps(
                {
                    "plugin": made.names.plugin,
                    "vendor": made.names.vendor,
                    "distribution": made.names.distribution,
                    "package": made.names.package,
                    "folder": str(made.folder),
                    "files": list(made.files),
                    "next": list(steps),
                },
                indent=1,
            )
        )
        return
    typer.echo(f"{made.folder}: {len(made.files)} files, the plugin {made.names.plugin}")
    typer.echo("next:")
    for step in steps:
        typer.echo(f"  {step}")
