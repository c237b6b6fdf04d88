"""Commands that other distributions bring, through the entry-point group ``hwcore.commands``.

An entry point's name is the command's, its value a typer app or a function. Listing commands
imports none of them: the line of help is the summary in the distribution's metadata. The module
is imported when its command is called.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import typer
from typer.core import TyperCommand, TyperGroup

if TYPE_CHECKING:
    from importlib_metadata import EntryPoint

GROUP = "hwcore.commands"

ELSEWHERE = {"conformance": "hwcore-conformance"}
"""Commands that the documentation speaks of, and the distributions that bring them."""


class Plugged(TyperCommand):
    """Stands in for a command of another distribution until it is called."""

    def __init__(self, name: str, points: tuple[EntryPoint, ...] = ()) -> None:
        """``points`` are the entry points of that name: one, if all is well."""
        from rich.markup import escape

        super().__init__(name, help=escape(_summary(points[0])) if points else None)
        self._points = points

    def make_context(
        self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any
    ) -> Any:
        """The context of the command that this stands for. Raises what `load` raises."""
        from hwcore.contract import HwcoreError

        try:
            command = self.load()
        except HwcoreError:
            if extra.get("resilient_parsing"):  # completion has nothing to offer, and says nothing
                return super().make_context(info_name, args, parent, **extra)
            raise
        return command.make_context(info_name, args, parent, **extra)

    def load(self) -> Any:
        """Import the command.

        Raises `UserError` where no distribution or more than one brings it, `PluginError` where
        it cannot be imported or is no command.
        """
        from hwcore.contract import PluginError, UserError

        if not self._points:
            owner = ELSEWHERE[str(self.name)]
            raise UserError(
                f"the command {self.name!r} is brought by {owner}, which is not installed",
                hint=f"pip install {owner}",
            )
        owners = [_owner(point) for point in self._points]
        if len(owners) > 1:
            raise UserError(
                f"{' and '.join(owners)} both bring a command called {self.name!r}",
                hint=f"Uninstall one of them: pip uninstall {owners[-1].split()[0]}.",
            )
        [point], [owner] = self._points, owners
        mend = f"Install {owner.split()[0]} again, or uninstall it: no other command needs it."
        try:
            found = point.load()
        except (Exception, SystemExit) as error:
            from hwcore.host.faults import blame

            reason = blame(error, str(self.name), "", None).reason
            message = f"the command {self.name!r} of {owner} cannot be imported: {reason}"
            raise PluginError(message, hint=mend) from error
        if not isinstance(found, typer.Typer):
            if not callable(found):
                raise PluginError(
                    f"the command {self.name!r} of {owner} is {type(found).__name__}, expected a "
                    "typer app or a function",
                    hint=mend,
                )
            function, found = found, typer.Typer(add_completion=False)
            found.command(self.name)(function)
        command = typer.main.get_command(found)
        command.name = self.name
        return command


class Commands(TyperGroup):
    """The program: its own commands, and after them those that other distributions bring.

    A command of its own cannot be replaced. Others are looked for only where one is asked for
    that is not its own, or all are listed.
    """

    def list_commands(self, ctx: Any) -> list[str]:
        """Names of all commands."""
        self._plug()
        return super().list_commands(ctx)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command of that name; a stand-in for one that is brought."""
        if cmd_name not in self.commands:
            self._plug()
        if cmd_name not in self.commands and cmd_name in ELSEWHERE:
            return Plugged(cmd_name)
        return super().get_command(ctx, cmd_name)

    def _plug(self) -> None:
        import importlib_metadata

        points = importlib_metadata.entry_points(group=GROUP)
        for name in sorted({point.name for point in points} - set(self.commands)):
            if re.fullmatch(r"[a-z][a-z0-9-]*", name):
                self.add_command(Plugged(name, tuple(points.select(name=name))))


def _owner(point: EntryPoint) -> str:
    """Name and version of the distribution that an entry point came with."""
    return f"{point.dist.name} {point.dist.version}" if point.dist is not None else "something"


def _summary(point: EntryPoint) -> str:
    """One line about the distribution, from its metadata's head: a whole parse takes longer."""
    text = (point.dist.read_text("METADATA") if point.dist is not None else None) or ""
    found = re.search(r"^Summary: *(.+)$", text.partition("\n\n")[0], re.MULTILINE)
    return "".join(filter(str.isprintable, found[1])) if found else ""
