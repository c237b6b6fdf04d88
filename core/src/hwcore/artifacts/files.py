"""What may be opened: files. Opening a pipe waits for a writer, and a device may never end."""

from __future__ import annotations

import stat
from pathlib import Path

from hwcore.contract import UserError

_KINDS = {
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def refuse_endless(path: Path) -> None:
    """Raise `UserError` for a pipe, a socket or a device, before anybody opens it.

    What is not there, or cannot be looked at, passes: whoever opens it says so.
    """
    try:
        mode = path.stat().st_mode
    except OSError:
        return
    kind = _KINDS.get(stat.S_IFMT(mode))
    if kind is not None:
        raise UserError(
            f"{path} is {kind}, expected a file",
            hint="Write what it gives into a file, and name that.",
        )
