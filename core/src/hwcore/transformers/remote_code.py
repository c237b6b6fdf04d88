"""Code that comes with a model is run when the user says so, and never otherwise.

Saying so is an act of the person at the keyboard, for the time of one program: the word of a
file, such as an artifact's manifest that came with the same model, does not count.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from hwcore.contract import UserError

VARIABLE = "HWCORE_TRUST_REMOTE_CODE"
"""Set to ``1`` by ``--trust-remote-code``; workers inherit it."""

FACT = "remote_code"
"""Fact of an artifact whose model needs its own code."""


def needs_remote_code(config: dict[str, Any]) -> bool:
    """Whether the config names code that lies with the model."""
    return bool(config.get("auto_map"))


def is_trusted(flag: bool = False) -> bool:
    """Whether the user has allowed such code, by a flag or for the whole program."""
    return flag or os.environ.get(VARIABLE) == "1"


def check_trusted(where: Path, flag: bool = False) -> None:
    """Raise `UserError` unless the user has allowed the code that comes with this model."""
    if not is_trusted(flag):
        raise UserError(
            f"{where} brings code of its own (auto_map in config.json), which is not run unasked",
            hint=f"Read that code first; then pass --trust-remote-code, or set {VARIABLE}=1.",
        )
