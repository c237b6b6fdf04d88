"""The rows of one role, mapped from disk."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.lib.format import open_memmap

from hwcore.contract import Array, ArtifactCorrupt, Column, Dataset, Role, UserError
from hwcore.data.layout import DAMAGED, role_folder


@dataclass(frozen=True, eq=False)
class Ragged:
    """Rows that differ in length: row ``i`` is ``values[offsets[i]:offsets[i + 1]]``."""

    values: Array
    offsets: Array

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, index: int) -> Array:
        return self.values[self.offsets[index] : self.offsets[index + 1]]


@dataclass(frozen=True, eq=False)
class Rows:
    """All rows of a role. Arrays are read-only and read from disk as they are touched."""

    inputs: Mapping[str, Array | Ragged]
    labels: Array | None
    ids: Array

    def __len__(self) -> int:
        return len(self.ids)


def open_rows(dataset: Dataset, role: Role) -> Rows:
    """Map a role's rows.

    Raises `UserError` if the role is not there, `ArtifactCorrupt` if a file is not what
    ``dataset.json`` says.
    """
    count = dataset.count(role)
    if not count:
        raise UserError(
            f"the dataset has no {role} rows",
            hint=f"It has {', '.join(dataset.info.rows) or 'none'}; make it again with more.",
        )
    folder = role_folder(dataset.path, role)
    return Rows(
        inputs={
            name: _open_column(folder / "inputs", name, column, count)
            for name, column in dataset.info.columns.items()
        },
        labels=_open_labels(folder / "labels.npy", count, len(dataset.info.labels)),
        ids=_open(folder / "rows.npy", "int64", (count,)),
    )


def is_ragged(column: Column) -> bool:
    """Whether rows of the column differ in length."""
    return None in column.shape


def _open_column(folder: Path, name: str, column: Column, count: int) -> Array | Ragged:
    if not is_ragged(column):
        return _open(folder / f"{name}.npy", column.dtype, (count, *column.shape))
    values = _open(folder / f"{name}.values.npy", column.dtype, column.shape)
    offsets = _open(folder / f"{name}.offsets.npy", "int64", (count + 1,))
    if offsets[0] != 0 or offsets[-1] != len(values) or (np.diff(offsets) < 0).any():
        raise ArtifactCorrupt(
            f"{folder / name}.offsets.npy does not divide its values", hint=DAMAGED
        )
    return Ragged(values, offsets)


def _open_labels(path: Path, count: int, classes: int) -> Array | None:
    if not classes:
        return None
    labels = _open(path, "int64", (count,))
    if labels.min() < 0 or labels.max() >= classes:
        raise ArtifactCorrupt(f"{path} has labels beyond the {classes} classes", hint=DAMAGED)
    return labels


def _open(path: Path, dtype: str, shape: tuple[int | None, ...]) -> Array:
    """Map an array without copying it; ``None`` in ``shape`` stands for any size."""
    try:
        array: Array = open_memmap(path, mode="r")  # type: ignore[no-untyped-call]
    except (OSError, ValueError) as error:
        raise ArtifactCorrupt(f"{path} cannot be read: {error}", hint=DAMAGED) from error
    fits = len(array.shape) == len(shape) and all(
        expected in (None, size) for expected, size in zip(shape, array.shape, strict=True)
    )
    if str(array.dtype) != dtype or not fits:
        raise ArtifactCorrupt(
            f"{path} holds {array.dtype} {array.shape}, dataset.json says {dtype} {shape}",
            hint=DAMAGED,
        )
    return array
