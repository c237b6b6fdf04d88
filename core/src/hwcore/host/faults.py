"""Whatever a plugin throws, as an error of our tree that names the plugin."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from contextlib import contextmanager

from pydantic import ValidationError

from hwcore.contract import HwcoreError, PluginError
from hwcore.host.text import first_line, shortened


class LoadFailed(PluginError):
    """The plugin's code does not load: no hook of it can be called in this environment."""


@contextmanager
def loading(plugin: str, version: str) -> Iterator[None]:
    """As `blamed_on`, for code that is being loaded: whatever it throws is `LoadFailed`."""
    try:
        yield
    except (Exception, SystemExit) as error:
        fault = error if isinstance(error, PluginError) else blame(error, plugin, version, None)
        raise LoadFailed(
            f"its code does not load: {fault.reason}",
            plugin=plugin,
            version=version,
            hint=fault.hint,
            details=fault.details or traceback.format_exc(),
        ) from error


@contextmanager
def blamed_on(plugin: str, version: str, hook: str | None) -> Iterator[None]:
    """Turn a plugin's exceptions into `PluginError`; errors of the contract pass through.

    ``SystemExit`` counts as the plugin's fault, ``KeyboardInterrupt`` as the user's wish.
    """
    try:
        yield
    except PluginError as error:
        complete(error, plugin, version, hook, details=traceback.format_exc())
        raise
    except HwcoreError as error:
        HwcoreError.__init__(error, shortened(error.message), hint=error.hint)
        raise
    except (Exception, SystemExit) as error:
        raise blame(error, plugin, version, hook) from error


def blame(
    error: Exception | SystemExit, plugin: str, version: str, hook: str | None
) -> PluginError:
    """The error of our tree for what a plugin threw, with its traceback."""
    hint = None
    if isinstance(error, MemoryError):
        message = "ran out of memory" + (f": {first_line(str(error))}" if str(error) else "")
        hint = "Give it more memory, or a smaller model or batch."
    elif isinstance(error, SystemExit):
        message = f"it tried to end the process (SystemExit: {first_line(str(error.code))})"
    elif isinstance(error, ValidationError):
        from hwcore.artifacts.store import first_problem

        # Pydantic's own text begins with a line that counts the problems and names none.
        message = f"its {error.title} is not valid: {first_line(first_problem(error))}"
    else:
        message = f"{type(error).__name__}: {first_line(str(error)) or 'no message'}"
    details = "".join(traceback.format_exception(error))
    return PluginError(
        message, plugin=plugin, version=version, hook=hook, hint=hint, details=details
    )


def complete(
    error: PluginError,
    plugin: str,
    version: str,
    hook: str | None,
    *,
    hint: str | None = None,
    details: str | None = None,
) -> None:
    """Fill in, in place, what an error does not say yet; add a sentence to its hint.

    What is too long for a sentence goes to its details.
    """
    reason = shortened(error.reason)
    details = error.details or details
    if reason != error.reason:
        details = f"{error.reason}\n{details or ''}"
    hints = [error.hint] if error.hint else []
    if hint and hint not in (error.hint or ""):
        hints.append(hint)
    PluginError.__init__(
        error,
        reason,
        plugin=error.plugin or plugin,
        version=error.version or version,
        hook=error.hook or hook,
        hint=" ".join(hints) or None,
        details=details,
    )
