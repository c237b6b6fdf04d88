"""Writing the rows of one role, a chunk at a time: a role may be larger than memory."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.lib.format import open_memmap

from hwcore.contract import Array, Column
from hwcore.data.rows import is_ragged

Chunk = Mapping[str, Sequence[Array]]


def write_rows(
    folder: Path,
    columns: Mapping[str, Column],
    chunks: Iterable[Chunk],
    *,
    ids: Sequence[int],
    labels: Sequence[int] | None,
) -> None:
    """Fill ``folder`` with ``len(ids)`` rows, whose inputs come in ``chunks``."""
    inputs = folder / "inputs"
    inputs.mkdir(parents=True)
    np.save(folder / "rows.npy", np.asarray(ids, dtype=np.int64))
    if labels is not None:
        np.save(folder / "labels.npy", np.asarray(labels, dtype=np.int64))
    ragged: dict[str, list[Array]] = {n: [] for n, column in columns.items() if is_ragged(column)}
    fixed = {
        name: open_memmap(  # type: ignore[no-untyped-call]
            inputs / f"{name}.npy",
            mode="w+",
            dtype=np.dtype(column.dtype),
            shape=(len(ids), *(size for size in column.shape if size is not None)),
        )
        for name, column in columns.items()
        if not is_ragged(column)
    }
    begin = 0
    for chunk in chunks:
        count = len(next(iter(chunk.values())))
        for name, rows in chunk.items():
            if name in fixed:
                fixed[name][begin : begin + count] = rows
            else:
                ragged[name].extend(np.asarray(row, dtype=columns[name].dtype) for row in rows)
        begin += count
    for array in fixed.values():
        array.flush()
    for name, rows in ragged.items():
        np.save(inputs / f"{name}.values.npy", np.concatenate(rows))
        lengths = [0, *(len(row) for row in rows)]
        np.save(inputs / f"{name}.offsets.npy", np.cumsum(lengths, dtype=np.int64))
