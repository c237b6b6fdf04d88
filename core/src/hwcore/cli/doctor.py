"""``hwcore doctor``: what this machine has, what is installed, what would help."""

from __future__ import annotations

import typer

from hwcore.cli import options as o

EXAMPLE = "Example: hwcore doctor --json"


def doctor(context: typer.Context, json: o.Json = False) -> None:
    """Explain this machine: cores, instruction sets, plugins, versions, and what would help."""
    from hwcore.workflows.doctor import examine

    with context.obj.host() as host:
        report = examine(host)
    if json:
        typer.echo(report.model_dump_json(indent=1))
    else:
        from hwcore.cli.tables import show_doctor

        show_doctor(report)
