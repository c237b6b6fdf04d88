"""Put back what a plugin has changed of its process, so that every check begins alike.

A clause of its own is about such changes; the others are not to fail of them.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TextIO

import numpy as np


class Beginning:
    """A process as it was when this was made."""

    def __init__(self) -> None:
        self._environment = dict(os.environ)
        self._folder = Path.cwd()
        self._files = [(descriptor, os.dup(descriptor)) for descriptor in (0, 1, 2)]
        self._out, self._err = sys.stdout, sys.stderr
        self._numbers = np.geterr()
        self._depth = sys.getrecursionlimit()

    def restore(self) -> None:
        """Make it so again. New variables stay: they are of libraries that were imported."""
        for name, value in self._environment.items():
            if os.environ.get(name) != value:
                os.environ[name] = value
        os.chdir(self._folder)
        for descriptor, kept in self._files:
            if _other(descriptor, kept):
                os.dup2(kept, descriptor, inheritable=True)
        self._out, self._err = _usable(self._out, 1), _usable(self._err, 2)
        sys.stdout, sys.stderr = self._out, self._err
        np.seterr(**self._numbers)
        sys.setrecursionlimit(self._depth)


def _other(descriptor: int, kept: int) -> bool:
    """True where it is another file than it was, or closed."""
    try:
        return not os.path.sameopenfile(descriptor, kept)
    except OSError:
        return True


def _usable(stream: TextIO, descriptor: int) -> TextIO:
    """The stream, or a new one where it was closed."""
    if not stream.closed:
        return stream
    return os.fdopen(descriptor, "w", errors="backslashreplace", closefd=False)
