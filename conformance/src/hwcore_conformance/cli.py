"""``python -m hwcore_conformance``: list the clauses, or check a plugin."""

from __future__ import annotations

import json as json_
import secrets
import tempfile
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Check what a plugin of hwcore promises.",
)

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command("list", epilog="Example: python -m hwcore_conformance list --json")
def list_(json: Json = False) -> None:
    """List the clauses of the contract."""
    from hwcore_conformance.clauses import ALL

    if json:
        rows = [
            {"id": c.id, "text": c.text, "level": c.level, "since": c.since, "scope": c.scope}
            for c in ALL
        ]
        typer.echo(json_.dumps(rows, indent=1))
        return
    for clause in ALL:
        typer.echo(f"{clause.id}  {clause.text}")


@app.command(epilog="Example: python -m hwcore_conformance run openvino --quick")
def run(
    plugin: Annotated[str, typer.Argument(help="Name of an installed plugin.")],
    quick: Annotated[bool, typer.Option(help="Fewer models, and no slow clause.")] = False,
    clause: Annotated[
        list[str] | None, typer.Option(help="Only clauses whose number begins like this.")
    ] = None,
    family: Annotated[
        list[str] | None, typer.Option(help="Only models of this architecture, such as bert.")
    ] = None,
    models: Annotated[
        Path | None, typer.Option(help="Keep the models here, for the next run of this seed.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of weights and inputs.")] = None,
    json: Json = False,
) -> None:
    """Check a plugin. The exit code is 0 if it keeps every clause that was checked, else 3."""
    from hwcore.contract import UserError
    from hwcore_conformance.clauses import ALL
    from hwcore_conformance.models import QUICK
    from hwcore_conformance.states import BAD
    from hwcore_conformance.subject import Subject
    from hwcore_conformance.suite import run as check

    wanted = [
        entry
        for entry in ALL
        if not (quick and entry.slow) and entry.id.startswith(tuple(clause or ("",)))
    ]
    if not wanted:
        _refuse(f"no clause begins with {clause}", "See `list`.")
    families = tuple(family or (QUICK if quick else ()))
    seed = secrets.randbelow(1 << 31) if seed is None else seed
    records = []
    with tempfile.TemporaryDirectory(prefix="hwcore-conformance-") as folder:
        try:
            subject = Subject(plugin, Path(folder), seed=seed, families=families, models=models)
        except UserError as error:
            _refuse(error.message, error.hint)
        with subject:
            for record in check(subject, wanted):
                records.append(record)
                if not json:
                    where = f" {record.capability}" if record.capability else ""
                    typer.echo(f"{record.state.value:12} {record.clause}{where}  {record.message}")
                    if record.hint:
                        typer.echo(f"{'':13}hint: {record.hint}")
    if json:
        rows = [record.model_dump(mode="json") for record in records]
        typer.echo(json_.dumps({"plugin": plugin, "seed": seed, "records": rows}, indent=1))
    if any(record.state in BAD and record.level == "MUST" for record in records):
        raise typer.Exit(3)


def _refuse(message: str, hint: str | None) -> None:
    typer.echo(f"hwcore-conformance: {message}", err=True)
    if hint:
        typer.echo(f"  hint: {hint}", err=True)
    raise typer.Exit(2)
