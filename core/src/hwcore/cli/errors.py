"""From an exception to one sentence, a hint and an exit code. A traceback only with ``--debug``.

Exit codes: 0 done, 1 unexpected, 2 your input, 3 a plugin, 4 hardware, 5 tolerance,
6 a damaged artifact, 130 stopped (Ctrl-C), 143 stopped (SIGTERM).
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable
from typing import Any, NoReturn

import typer

from hwcore.cli.stopping import INTERRUPTED, TERMINATED, Terminated

USAGE: Any = next(c for c in typer.BadParameter.__mro__ if c.__name__ == "ClickException")
"""The root of what is wrong with a command line: typer's own copy of click has it, or click."""

_MENDS = {
    errno.ENOENT: "Check how the path is spelt.",
    errno.EACCES: "Check who may read and write there, or name another path.",
    errno.EPERM: "Check who may read and write there, or name another path.",
    errno.ENOSPC: "Free some space, or name a path on another disk.",
}
"""What to do about an error of the system, by its number."""


def guarded(command: Callable[..., object]) -> NoReturn:
    """Run a command and leave with its exit code."""
    try:
        status = command(standalone_mode=False)
        sys.stdout.flush()
    except KeyboardInterrupt:
        status = INTERRUPTED
    except typer.Abort as abort:
        # Typer makes one of every end of a file: of a Ctrl-D at a prompt, and of a mistake.
        if isinstance(abort.__cause__, EOFError):
            sys.exit(_explain(abort.__cause__))
        status = INTERRUPTED
    except Terminated:
        status = TERMINATED
    except BrokenPipeError:
        # The reader of our output left; the interpreter must not try to flush to it again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except Exception as error:
        sys.exit(_explain(error))
    if status in (INTERRUPTED, TERMINATED):  # typer, too, makes one of a Ctrl-C, silently
        _say(
            "stopped", "Finished steps are kept in the cache: the same command goes on from there."
        )
    sys.exit(status if isinstance(status, int) else 0)


def _explain(error: Exception) -> int:
    from hwcore.contract import HwcoreError

    if "--debug" in sys.argv:
        import traceback

        traceback.print_exception(error)
        details = getattr(error, "details", None)
        if details:
            sys.stderr.write(f"\nIn the plugin:\n{details}\n")
    if isinstance(error, USAGE):
        context = getattr(error, "ctx", None)
        program = context.command_path if context is not None else "hwcore"
        message = error.format_message()
        if message:  # a group that was called bare has shown its help, and has nothing to add
            _say(message, f"`{program} --help` lists what there is.")
        return 2
    if isinstance(error, HwcoreError):
        _say(str(error), error.hint)
        return error.exit_code
    if isinstance(error, OSError) and error.filename is not None:
        mend = _MENDS.get(error.errno or 0, "Check the path, and the disk that it is on.")
        _say(f"{error.filename}: {error.strerror}", mend)
        return 2
    from hwcore.host.text import first_line

    kind = type(error).__name__
    _say(
        f"unexpected {kind}: {first_line(str(error)) or 'no message'}",
        "This is a bug in hwcore: please report it with the output of the same command "
        "after `hwcore --debug`.",
    )
    return 1


def _say(message: str, hint: str | None) -> None:
    sys.stderr.write(f"hwcore: {' '.join(message.split())}\n")
    if hint:
        sys.stderr.write(f"  hint: {' '.join(hint.split())}\n")
