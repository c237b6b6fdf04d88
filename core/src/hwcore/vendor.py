"""For plugins: what a vendor's library would leave in the process, or on the terminal, it does not.

What a hook changes beside its folder is seen by every other plugin in the process, and by the
conformance suite (SAF-004).
"""

from __future__ import annotations

import logging
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def same_path() -> Iterator[None]:
    """Put ``sys.path`` back.

    ``onnxruntime.transformers`` adds its folder, full of plain names; setuptools, which several
    libraries import on the way, adds the packages it brings along.
    """
    before = list(sys.path)
    try:
        yield
    finally:
        sys.path[:] = before


@contextmanager
def only_errors(*loggers: str) -> Iterator[None]:
    """Raise the level of loggers to ERROR for a while; ``root`` is the root logger."""
    found = [logging.getLogger(None if name == "root" else name) for name in loggers]
    levels = [logger.level for logger in found]
    # Where the root logger has no handler, its first line would leave it one, for good.
    handler = logging.NullHandler()
    logging.root.addHandler(handler)
    for logger in found:
        logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        for logger, level in zip(found, levels, strict=True):
            logger.setLevel(level)
        logging.root.removeHandler(handler)


@contextmanager
def quiet(*loggers: str) -> Iterator[None]:
    """Keep warnings and log lines away; errors are raised all the same."""
    with warnings.catch_warnings(), only_errors(*loggers):
        warnings.simplefilter("ignore")
        yield
