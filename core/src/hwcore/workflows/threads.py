"""How many threads a user may ask for."""

from __future__ import annotations

from hwcore.contract import UserError
from hwcore.host import available_cores


def checked_threads(threads: int | None) -> int | None:
    """``threads`` itself. Raises `UserError` for more than there are cores: engines then crawl."""
    cores = available_cores()
    if threads is not None and threads > cores:
        raise UserError(
            f"{threads} threads are asked for, but this process may use {cores} cores",
            hint=f"Ask for at most {cores}, or leave the number out to use them all.",
        )
    return threads
