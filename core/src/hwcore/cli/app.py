"""The commands put together. Importing this must stay quick: each command imports its work."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from hwcore._version import __version__
from hwcore.cli import (
    bench,
    cache,
    doctor,
    new_plugin,
    optimize,
    plugins,
    predict,
    sensitivity,
    verbs,
)
from hwcore.cli.errors import guarded
from hwcore.cli.options import refuse_empty
from hwcore.cli.plugged import Commands
from hwcore.cli.settings import Settings

app = typer.Typer(
    name="hwcore",
    cls=Commands,
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"hwcore {__version__}")
        raise typer.Exit


@app.callback(
    epilog="Example: hwcore optimize ./my-model --data reviews.csv --max-drop 0.01 --out ./fast"
)
def hwcore(
    context: typer.Context,
    no_plugins: Annotated[
        bool, typer.Option("--no-plugins", help="Load no plugin at all.")
    ] = False,
    cache_dir: Annotated[
        Path | None,
        typer.Option("--cache-dir", help="Folder of finished steps; HWCORE_CACHE sets it, too."),
    ] = None,
    debug: Annotated[
        bool, typer.Option("--debug", help="Show tracebacks, the plugins' own included.")
    ] = False,
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """Make a transformer fast on this machine, with whatever vendors' plugins are installed."""
    context.obj = Settings(no_plugins=no_plugins, cache_dir=cache_dir, debug=debug)


def _add(name: str, command: Callable[..., None], example: str) -> None:
    """Add a command; its docstring's paragraphs are wrapped by the terminal, not by us."""
    paragraphs = inspect.cleandoc(command.__doc__ or "").split("\n\n")
    text = "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)
    app.command(name, help=text, epilog=example)(command)


_add("optimize", optimize.optimize, optimize.EXAMPLE)
_add("export", verbs.export, verbs.EXPORT_EXAMPLE)
_add("quantize", verbs.quantize, verbs.QUANTIZE_EXAMPLE)
_add("sparsify", verbs.sparsify, verbs.SPARSIFY_EXAMPLE)
_add("sensitivity", sensitivity.sensitivity, sensitivity.EXAMPLE)
_add("compile", verbs.compile_, verbs.COMPILE_EXAMPLE)
_add("run", predict.run, predict.EXAMPLE)
_add("bench", bench.bench, bench.EXAMPLE)
app.add_typer(plugins.app, name="plugins")
_add("new-plugin", new_plugin.new_plugin, new_plugin.EXAMPLE)
_add("doctor", doctor.doctor, doctor.EXAMPLE)
app.add_typer(cache.app, name="cache")


def run() -> NoReturn:
    """Run the command line; errors become one sentence, a hint and an exit code."""
    guarded(_checked)


def _checked(**settings: bool) -> object:
    refuse_empty(sys.argv[1:])
    return app(**settings)
