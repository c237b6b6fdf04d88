"""Writing and reading dataset folders."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from pydantic import ValidationError

from hwcore.artifacts.files import refuse_endless
from hwcore.artifacts.store import first_problem, fsync_folder
from hwcore.contract import Array, ArtifactCorrupt, Dataset, DatasetInfo, Role, UserError
from hwcore.data.layout import DAMAGED, INFO, TEST, VISIBLE
from hwcore.data.rows import Ragged, open_rows

MAX_INFO_BYTES = 16 << 20
_COLUMN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def read_dataset(path: Path, *, verify: bool = False) -> Dataset:
    """Open a dataset folder, or the visible part of one, and check that its files fit.

    ``verify`` reads all rows of a whole dataset and compares their digest. Raises `UserError`
    if ``path`` is no dataset, `ArtifactCorrupt` if it is damaged.
    """
    file = path / INFO
    refuse_endless(file)
    try:
        if file.stat().st_size > MAX_INFO_BYTES:
            raise ArtifactCorrupt(f"{file} is larger than {MAX_INFO_BYTES >> 20} MiB", hint=DAMAGED)
        text = file.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        raise UserError(
            f"{path} is not a dataset: it has no {INFO}",
            hint="Name a folder that has one, or the file or folder with your data.",
        ) from None
    try:
        info = DatasetInfo.model_validate_json(text)
    except ValidationError as error:
        raise ArtifactCorrupt(f"{file}: {first_problem(error)}", hint=DAMAGED) from None
    _check_columns(file, info)
    dataset = Dataset(path=path.absolute(), info=info)
    for role, count in info.rows.items():
        if count:
            open_rows(dataset, role)
    if verify:
        _verify(dataset)
    return dataset


def visible(dataset: Dataset) -> Dataset:
    """The dataset as a plugin may see it: a folder that has no test rows below it."""
    inner = dataset.path / VISIBLE
    info = _without_test(dataset.info)
    return Dataset(path=inner if inner.is_dir() else dataset.path, info=info)


@contextmanager
def new_folder(out: Path) -> Iterator[Path]:
    """A folder to fill, which becomes ``out`` if nothing goes wrong and is removed if it does.

    Raises `UserError` if ``out`` holds something already.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UserError(f"{out} is there already", hint="Name a new or an empty folder.")
    out.parent.mkdir(parents=True, exist_ok=True)
    work = out.parent / f".{out.name}.{uuid.uuid4().hex}"
    work.mkdir()
    try:
        yield work
        _sync(work)
        if out.exists():
            out.rmdir()
        work.rename(out)
        fsync_folder(out.parent)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def write_info(folder: Path, info: DatasetInfo) -> DatasetInfo:
    """Write ``dataset.json``, whole and visible, after the rows; give it with its digest."""
    sealed = info.model_copy(update={"digest": content_digest(Dataset(path=folder, info=info))})
    for place, part in ((folder, sealed), (folder / VISIBLE, _without_test(sealed))):
        (place / INFO).write_text(part.model_dump_json(indent=1), encoding="utf-8")
    return sealed


def content_digest(dataset: Dataset) -> str:
    """sha256 over what the rows are: inputs, labels, order, and what they mean."""
    digest = hashlib.sha256()
    meaning = dataset.info.model_dump(mode="json", exclude={"digest", "seed"})
    digest.update(json.dumps(meaning, sort_keys=True).encode())
    for role in sorted(dataset.info.rows):
        rows = open_rows(dataset, role)
        _add(digest, rows.ids)
        if rows.labels is not None:
            _add(digest, rows.labels)
        for name in sorted(rows.inputs):
            column = rows.inputs[name]
            parts = (column.values, column.offsets) if isinstance(column, Ragged) else (column,)
            for part in parts:
                _add(digest, part)
    return digest.hexdigest()


def _verify(dataset: Dataset) -> None:
    if not (dataset.path / VISIBLE).is_dir():
        raise UserError(
            f"{dataset.path} is a part of a dataset, which cannot be verified by itself",
            hint="Verify the folder above it.",
        )
    if content_digest(dataset) != dataset.digest:
        raise ArtifactCorrupt(
            f"{dataset.path}: its rows are not those that were written", hint=DAMAGED
        )


def _add(digest: hashlib._Hash, array: Array) -> None:
    digest.update(f"{array.dtype}{array.shape}".encode())
    digest.update(np.ascontiguousarray(array).data)


def _without_test(info: DatasetInfo) -> DatasetInfo:
    rows: dict[Role, int] = {role: count for role, count in info.rows.items() if role != TEST}
    return info.model_copy(update={"rows": rows})


def _check_columns(file: Path, info: DatasetInfo) -> None:
    for name, column in info.columns.items():
        if not _COLUMN.fullmatch(name):
            raise ArtifactCorrupt(f"{file}: {name!r} cannot be the name of a column", hint=DAMAGED)
        if None in column.shape[1:]:
            raise ArtifactCorrupt(
                f"{file}: column {name!r} is open on an axis after the first", hint=DAMAGED
            )


def _sync(folder: Path) -> None:
    """Force files to disk, so that the rename that follows can never show half of them."""
    for path in folder.rglob("*"):
        if path.is_dir():
            fsync_folder(path)
        else:
            with path.open("rb") as file:
                os.fsync(file.fileno())
    fsync_folder(folder)
