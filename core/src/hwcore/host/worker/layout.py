"""How named arrays lie in a block of memory, and the cache that sends a description once."""

from __future__ import annotations

import json
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from hwcore.contract import Array, Arrays

ALIGNMENT: Final = 64
"""Bytes: a cache line, and what the widest vector loads want."""

MAX_KNOWN: Final = 512
"""Layouts either side remembers; when they are that many, both start again."""


@dataclass(frozen=True, slots=True, eq=False)
class Layout:
    """Arrays one after the other, each at a multiple of `ALIGNMENT`.

    Compared and hashed by identity: either side makes one object of equal layouts.
    """

    names: tuple[str, ...]
    dtypes: tuple[np.dtype[Any], ...]
    shapes: tuple[tuple[int, ...], ...]
    offsets: tuple[int, ...]
    nbytes: int
    outputs: tuple[str, ...] | None = None
    """With a call's inputs: the outputs it asks for, ``None`` for all."""

    @classmethod
    def of(cls, arrays: Arrays, outputs: tuple[str, ...] | None = None) -> Layout:
        """The layout of these arrays. Raises `TypeError` for arrays of Python objects."""
        dtypes = tuple(array.dtype for array in arrays.values())
        for name, dtype in zip(arrays, dtypes, strict=True):
            if dtype.hasobject or dtype.fields:
                raise TypeError(f"array {name!r} has dtype {dtype}, which is not plain numbers")
        shapes = tuple(array.shape for array in arrays.values())
        return cls._packed(tuple(arrays), dtypes, shapes, outputs)

    @classmethod
    def _packed(
        cls,
        names: tuple[str, ...],
        dtypes: tuple[np.dtype[Any], ...],
        shapes: tuple[tuple[int, ...], ...],
        outputs: tuple[str, ...] | None,
    ) -> Layout:
        offsets = []
        end = 0
        for dtype, shape in zip(dtypes, shapes, strict=True):
            offsets.append(end)
            size = dtype.itemsize
            for length in shape:
                size *= length
            end += -(-size // ALIGNMENT) * ALIGNMENT
        return cls(names, dtypes, shapes, tuple(offsets), end, outputs)

    def views(self, memory: Any, start: int = 0) -> dict[str, Array]:
        """Arrays over ``memory``, which must have ``nbytes`` bytes from ``start`` on."""
        return {
            name: np.ndarray(shape, dtype, memory, start + offset)
            for name, dtype, shape, offset in zip(
                self.names, self.dtypes, self.shapes, self.offsets, strict=True
            )
        }

    def encode(self) -> bytes:
        """As JSON."""
        dtypes = [str(dtype) for dtype in self.dtypes]
        return json.dumps([self.names, dtypes, self.shapes, self.outputs]).encode()

    @classmethod
    def decode(cls, data: bytes) -> Layout:
        """What `encode` was given."""
        names, dtypes, shapes, outputs = json.loads(data)
        return cls._packed(
            tuple(names),
            tuple(_dtype(name) for name in dtypes),
            tuple(tuple(shape) for shape in shapes),
            None if outputs is None else tuple(outputs),
        )


def _dtype(name: str) -> np.dtype[Any]:
    try:
        return np.dtype(name)
    except TypeError:
        import ml_dtypes

        narrow: np.dtype[Any] = np.dtype(getattr(ml_dtypes, name))
        return narrow


def kind_of(arrays: Arrays, outputs: tuple[str, ...] | None) -> Hashable:
    """Equal for arrays with equal layouts."""
    return outputs, tuple([(name, a.dtype, a.shape) for name, a in arrays.items()])


class Sent:
    """The sender's memory: the layout of each combination of arrays, and which were sent."""

    def __init__(self) -> None:
        self._layouts: dict[Hashable, Layout] = {}
        self._numbers: dict[Layout, int] = {}

    def layout(self, arrays: Arrays, outputs: tuple[str, ...] | None) -> Layout:
        """The layout of these arrays, the same object for arrays alike."""
        key = kind_of(arrays, outputs)
        layout = self._layouts.get(key)
        if layout is None:
            if len(self._layouts) >= MAX_KNOWN:
                self._layouts.clear()
            layout = self._layouts[key] = Layout.of(arrays, outputs)
        return layout

    def number(self, layout: Layout) -> tuple[int, bytes]:
        """The layout's number, and its JSON when the receiver does not know it yet."""
        number = self._numbers.get(layout)
        if number is not None:
            return number, b""
        if len(self._numbers) >= MAX_KNOWN:
            self._numbers.clear()
        number = self._numbers[layout] = len(self._numbers)
        return number, layout.encode()


class Received:
    """The receiver's memory of layouts, by number."""

    def __init__(self) -> None:
        self._layouts: list[Layout] = []

    def __getitem__(self, number: int) -> Layout:
        return self._layouts[number]

    def add(self, number: int, data: bytes) -> Layout:
        """A layout that came with a message. Number 0 coming round means: forget the others."""
        layout = Layout.decode(data)
        del self._layouts[number:]
        self._layouts.append(layout)
        return layout
