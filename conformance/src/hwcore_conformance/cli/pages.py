"""``hwcore conformance list``, ``verify`` and ``matrix``: what only reads."""

from __future__ import annotations

import json as json_
from pathlib import Path
from typing import Annotated

import typer

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def list_(json: Json = False) -> None:
    """List the clauses of the contract."""
    from hwcore_conformance.clauses import ALL
    from hwcore_conformance.contract_page import dotted, killers

    if not json:
        for clause in ALL:
            untested = "" if clause.check is not None else "  (untested)"
            typer.echo(f"{clause.id}  {clause.text}{untested}")
        return
    by_clause = killers()
    rows = [
        {
            "id": clause.id,
            "text": clause.text,
            "level": clause.level,
            "since": clause.since,
            "scope": clause.scope,
            "checks": [name] if (name := dotted(clause)) else [],
            "killers": by_clause.get(clause.id, []),
        }
        for clause in ALL
    ]
    typer.echo(json_.dumps(rows, indent=1))


def verify_(
    report: Annotated[Path, typer.Argument(help="A report.json, or the folder of a report.")],
    wheel: Annotated[
        Path | None, typer.Option(help="The wheel that the report has to be about.")
    ] = None,
    json: Json = False,
) -> None:
    """Derive a report's verdict again, and reject one that was edited or is not complete."""
    from hwcore_conformance.clauses import ALL
    from hwcore_conformance.cli.tables import show_verified
    from hwcore_conformance.verify import verify

    found = verify(report, clauses=ALL, wheel=wheel)
    if json:
        keys = {"plugin", "levels", "verdict", "because", "certified"}
        typer.echo(found.model_dump_json(indent=1, include=keys))
    else:
        show_verified(found)


def matrix(
    reports: Annotated[Path, typer.Argument(help="A folder with reports anywhere below it.")],
    out: Annotated[Path, typer.Option(help="The page to write.")],
    json: Json = False,
) -> None:
    """Make one page of many reports: plugins, capabilities, versions and targets."""
    from hwcore_conformance.clauses import ALL
    from hwcore_conformance.folder import write_file
    from hwcore_conformance.matrix import as_matrix, find
    from hwcore_conformance.text import many

    found = find(reports, ALL)
    write_file(out, as_matrix(found, root=reports, out=out))
    refused = [{"path": str(bad.path), "reason": bad.reason} for bad in found.refused]
    if json:
        rows = {"out": str(out), "reports": len(found.runs), "rejected": refused}
        typer.echo(json_.dumps(rows, indent=1))
        return
    typer.echo(f"{out}: {many(len(found.runs), 'report')}")
    for bad in found.refused:
        typer.echo(f"rejected: {bad.reason}")
