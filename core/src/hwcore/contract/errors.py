"""The one tree of errors. Each says what happened and how to mend it, in one sentence each."""

from __future__ import annotations

from typing import ClassVar


class HwcoreError(Exception):
    """The root. ``hint`` is what to do about it; ``exit_code`` is the command line's status."""

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UserError(HwcoreError):
    """The input is at fault: a path, a file, a column, an option."""

    exit_code = 2


class PluginError(HwcoreError):
    """A plugin is at fault: it raised, died, hung, or broke the contract."""

    exit_code = 3

    def __init__(
        self,
        message: str,
        *,
        plugin: str | None = None,
        version: str | None = None,
        hook: str | None = None,
        hint: str | None = None,
        details: str | None = None,
    ) -> None:
        where = " ".join(part for part in (plugin, version) if part)
        where = f"plugin {where}" if where else ""
        where = f"{where}, hook {hook}" if where and hook else where
        super().__init__(f"{where}: {message}" if where else message, hint=hint)
        self.reason = message
        self.plugin = plugin
        self.version = version
        self.hook = hook
        self.details = details
        """The plugin's own traceback, shown with ``--debug`` only."""


class HardwareUnavailable(HwcoreError):
    """This needs a device, an instruction set or an amount of memory that is not here."""

    exit_code = 4


class ToleranceExceeded(HwcoreError):
    """Nothing stays within the accuracy or numeric tolerance that was asked for."""

    exit_code = 5


class ArtifactCorrupt(HwcoreError):
    """An artifact's files are not what its manifest says."""

    exit_code = 6


class Cancelled(HwcoreError):
    """The user, or the program, asked for the work to stop. What was finished is kept."""

    exit_code = 130
