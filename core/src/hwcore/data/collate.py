"""Rows of unlike sizes become one padded array per input."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike

from hwcore.contract import Array, Column, Signature, UserError
from hwcore.data.dtypes import numpy_dtype
from hwcore.data.shapes import fit


def collate(
    rows: Mapping[str, Sequence[ArrayLike]],
    columns: Mapping[str, Column],
    signature: Signature | None = None,
) -> dict[str, Array]:
    """Stack rows along a new first axis, padding their open axes with `Column.pad`.

    Without a signature, every column is padded to its longest row. With one, the result is
    what that model takes: its inputs only, in its dtypes, each dimension at the smallest size
    it allows that holds all rows. Where it allows no batch as small as there are rows, the
    last row is repeated: drop the outputs beyond ``len(rows)``.

    Raises `UserError` if an input has no column, or a row does not fit.
    """
    count = len(next(iter(rows.values())))
    arrays = {name: [np.asarray(row) for row in column] for name, column in rows.items()}
    if signature is None:
        return {
            name: _stack(column, columns[name], (count, *_longest(column)), columns[name].dtype)
            for name, column in arrays.items()
        }
    for spec in signature.inputs:
        if spec.name not in arrays:
            raise UserError(
                f"the dataset has no column for the model's input {spec.name!r}",
                hint=f"It has {', '.join(arrays)}; was it made for another model?",
            )
    sizes = _sizes(signature, arrays, count)
    result = {}
    for spec in signature.inputs:
        shape = tuple(sizes[size] if isinstance(size, str) else size for size in spec.shape)
        result[spec.name] = _stack(arrays[spec.name], columns[spec.name], shape, spec.dtype)
    return result


def _longest(rows: Sequence[Array]) -> tuple[int, ...]:
    return tuple(int(size) for size in np.max([row.shape for row in rows], axis=0))


def _sizes(
    signature: Signature, arrays: Mapping[str, Sequence[Array]], count: int
) -> dict[str, int]:
    """The size of each symbolic dimension: one that holds every input that has it."""
    needed: dict[str, int] = {}
    for spec in signature.inputs:
        actual = (count, *_longest(arrays[spec.name]))
        if len(actual) != len(spec.shape):
            raise UserError(
                f"column {spec.name!r} has {len(actual)} dimensions with the batch, "
                f"the model takes {len(spec.shape)}",
                hint="Make the dataset again for this model.",
            )
        for size, most in zip(spec.shape, actual, strict=True):
            if isinstance(size, str):
                needed[size] = max(most, needed.get(size, 0))
    return {name: fit(signature.dim(name), size) for name, size in needed.items()}


def _stack(rows: Sequence[Array], column: Column, shape: tuple[int, ...], dtype: str) -> Array:
    if len(rows) > shape[0]:
        raise UserError(
            f"{len(rows)} rows do not fit the model's batch of {shape[0]}",
            hint=f"Use a batch size of at most {shape[0]}.",
        )
    batch = np.full(shape, column.pad, dtype=numpy_dtype(dtype))
    for row, place in zip(rows, batch[: len(rows)], strict=True):
        for axis, (size, room) in enumerate(zip(row.shape, place.shape, strict=True)):
            if size > room or (size < room and column.shape[axis] is not None):
                raise UserError(
                    f"a row is {size} long on axis {axis + 1}, the model takes {room}",
                    hint="Make the dataset again for this model.",
                )
        place[tuple(slice(size) for size in row.shape)] = row
    batch[len(rows) :] = batch[len(rows) - 1]
    return batch
