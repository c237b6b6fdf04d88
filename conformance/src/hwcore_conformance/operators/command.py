"""``hwcore conformance operators``."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from hwcore_conformance.operators.profile import Profile

LINE_EVERY_S = 10.0
"""How often a line is written where there is no terminal for a bar."""


def operators(
    plugin: Annotated[str, typer.Argument(help="Name of an installed plugin.")],
    out: Annotated[
        Path | None,
        typer.Option(
            help="Write the profile: a file that ends in .json, or a folder for operators.json "
            "and operators.md."
        ),
    ] = None,
    only: Annotated[
        str | None, typer.Option(help="Only tests with a match of this expression in their name.")
    ] = None,
    compare: Annotated[
        bool, typer.Option("--compare", help="Ask the plugin's engine directly, too.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """See which ONNX operators a plugin computes, by the node tests of the onnx package.

    This is a profile and no verdict: the exit code is 0 when it was made.
    """
    from rich.console import Console

    from hwcore_conformance.operators.asking import profile_of
    from hwcore_conformance.operators.report import show

    if out is not None:
        _writable(out)
    with _progress(f"{plugin}: operators") as progress:
        profile = profile_of(plugin, only=only, compare=compare, progress=progress)
    if out is not None:
        _write(profile, out)
    if json:
        typer.echo(profile.model_dump_json(indent=1))
        return
    width = None if sys.stdout.isatty() else 160
    show(profile, Console(width=width, highlight=False, soft_wrap=True))


def _writable(out: Path) -> None:
    """Raise `UserError` before minutes of work where the result could not be written."""
    from hwcore.contract import UserError

    folder = out.parent if out.suffix == ".json" else out
    if (out.suffix == ".json" and out.is_dir()) or (folder.exists() and not folder.is_dir()):
        raise UserError(
            f"{out} cannot be written: {'it is a folder' if out.is_dir() else 'a file is there'}",
            hint="Name a file that ends in .json, or a folder.",
        )


def _write(profile: Profile, out: Path) -> None:
    from hwcore_conformance.operators.report import markdown

    text = profile.model_dump_json(indent=1) + "\n"
    if out.suffix == ".json":
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(text, "utf-8")
        return
    out.mkdir(parents=True, exist_ok=True)
    (out / "operators.json").write_text(text, "utf-8")
    (out / "operators.md").write_text(markdown(profile), "utf-8")


@contextmanager
def _progress(title: str) -> Iterator[Callable[[float, str], None]]:
    """A bar on a terminal, a line now and then elsewhere; both on standard error."""
    if not sys.stderr.isatty():
        last = time.monotonic()

        def line(fraction: float, message: str) -> None:
            nonlocal last
            if time.monotonic() - last >= LINE_EVERY_S:
                last = time.monotonic()
                sys.stderr.write(f"{title}: {fraction:.0%} {message}\n")
                sys.stderr.flush()

        yield line
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=30),
        TaskProgressColumn(),
        TextColumn("[dim]{task.fields[message]}"),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        task = bars.add_task(title, total=1.0, message="")

        def bar(fraction: float, message: str) -> None:
            bars.update(task, completed=fraction, message=message)

        yield bar
