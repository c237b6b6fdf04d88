"""``hwcore conformance run``."""

from __future__ import annotations

import secrets
import tempfile
from pathlib import Path
from typing import Annotated

import typer

MUST_BROKEN = 3


def run(
    context: typer.Context,
    plugin: Annotated[str, typer.Argument(help="Name of an installed plugin.")],
    quick: Annotated[bool, typer.Option("--quick", help="Fewer models, no slow clause.")] = False,
    clause: Annotated[
        list[str] | None,
        typer.Option(help="Only clauses whose number begins like this; repeatable."),
    ] = None,
    family: Annotated[
        list[str] | None,
        typer.Option(help="Only models of this architecture, such as bert; repeatable."),
    ] = None,
    models: Annotated[
        Path | None, typer.Option(help="Keep the models here, for the next run of this seed.")
    ] = None,
    seed: Annotated[
        int | None, typer.Option(min=0, help="Seed of weights and inputs; drawn when left out.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder for the report, in every form; made at the end.")
    ] = None,
    baseline: Annotated[
        Path | None, typer.Option(help="TOML file of known failures and disabled clauses.")
    ] = None,
    wheel: Annotated[
        Path | None, typer.Option(help="The wheel that is installed: the report will name it.")
    ] = None,
    certified: Annotated[
        bool, typer.Option("--certified", help="Succeed only for a whole run that keeps all.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Check whether a plugin keeps the contract, clause by clause.

    The exit code is 3 when a MUST is broken, and with --certified when the verdict is not "pass".
    """
    from hwcore.contract import Cancelled, UserError
    from hwcore_conformance.clauses import ALL
    from hwcore_conformance.cli.progress import progress
    from hwcore_conformance.cli.tables import show_report
    from hwcore_conformance.folder import check_folder
    from hwcore_conformance.report import as_text
    from hwcore_conformance.required import Filters
    from hwcore_conformance.running import Request, conduct, prepare
    from hwcore_conformance.stopping import stopped_once
    from hwcore_conformance.verdict import Verdict
    from hwcore_conformance.writing import write_report

    if getattr(context.obj, "no_plugins", False):
        raise UserError("--no-plugins leaves nothing to check", hint="Leave it out.")
    filters = Filters(quick=quick, clauses=tuple(clause or ()), families=tuple(family or ()))
    request = Request(
        plugin=plugin,
        seed=secrets.randbelow(1 << 31) if seed is None else seed,
        filters=filters,
        models=models,
        baseline=baseline,
        wheel=wheel,
        certified=certified,
    )
    if out is not None:
        check_folder(out)
    prepared = prepare(request, ALL)
    try:
        with (
            stopped_once(),
            tempfile.TemporaryDirectory(prefix="hwcore-conformance-") as folder,
            progress(len(prepared.checks)) as notify,
        ):
            report = conduct(prepared, Path(folder), notify)
            if out is not None:
                write_report(out, report, ALL)
    except KeyboardInterrupt as stop:
        raise Cancelled("stopped, and no report was written", hint="Start it again.") from stop
    if json:
        typer.echo(as_text(report), nl=False)
    else:
        show_report(report, ALL, out)
    if report.verdict is Verdict.FAIL or (certified and not report.certified):
        raise typer.Exit(MUST_BROKEN)
