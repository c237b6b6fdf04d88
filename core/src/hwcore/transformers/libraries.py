"""The libraries behind the extra ``hwcore[transformers]``, asked for only when needed."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

from hwcore.contract import UserError
from hwcore.vendor import only_errors

_HINTS = {"torch": "Install it: see https://pytorch.org/get-started/locally."}


def require(name: str) -> ModuleType:
    """Import a library. Raises `UserError` that says how to install it when it is missing."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name:
            raise  # it is there and broken: that is another story
        raise UserError(
            f"reading this model needs {name}, which is not installed",
            hint=_HINTS.get(name, 'Install it: pip install "hwcore[transformers]"'),
        ) from None


@contextmanager
def quiet_transformers() -> Iterator[None]:
    """Keep transformers' progress bars and load reports off the terminal for a while.

    What its report would say about missing weights is checked by the caller. Where torchao is
    installed, the code of models imports it, which warns of each of its libraries for other
    hardware.
    """
    logging = require("transformers.utils.logging")
    verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        with only_errors("torch", "torchao"):
            yield
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()
