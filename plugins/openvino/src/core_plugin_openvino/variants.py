"""Models compiled for one shape each.

The engine runs a graph of open dimensions some tenths of a millisecond slower than the same
graph with fixed ones: it infers shapes on every call, and cannot plan memory ahead.
"""

from __future__ import annotations

import threading
from collections import Counter
from pathlib import Path
from typing import Any

from core_plugin_openvino import engine
from core_plugin_openvino.requests import Requests
from hwcore.contract import Signature

Shapes = tuple[tuple[int, ...], ...]

USES = 3
"""Calls that a shape is asked for before it is worth compiling."""


class Variants:
    """Up to ``limit`` models, for the first shapes that were asked for `USES` times."""

    def __init__(
        self, file: Path, properties: dict[str, Any], signature: Signature, limit: int
    ) -> None:
        self._file = file
        self._properties = properties
        self._signature = signature
        self._limit = limit
        self._uses: Counter[Shapes] = Counter()
        self._made: dict[Shapes, Requests] = {}
        self._lock = threading.Lock()

    def find(self, shapes: Shapes) -> Requests | None:
        """The model for exactly these input shapes, made now if it is time; else ``None``.

        A thread that finds another one busy making one does not wait for it.
        """
        found = self._made.get(shapes)
        if found is None and len(self._made) < self._limit and self._lock.acquire(blocking=False):
            try:
                self._uses[shapes] += 1
                if self._uses[shapes] >= USES and shapes not in self._made:
                    compiled = engine.compile_graph(self._file, self._properties, shapes)
                    found = self._made[shapes] = Requests(compiled, self._signature)
            finally:
                self._lock.release()
        return found

    def close(self) -> None:
        """Free all models; no more are made."""
        with self._lock:
            self._limit = 0
            for model in self._made.values():
                model.close()
            self._made.clear()
