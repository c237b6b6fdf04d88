"""The user's data as a dataset: made once, then found in the cache."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import JsonValue

from hwcore.artifacts import Cache, sha256_json
from hwcore.artifacts.cache import describe
from hwcore.artifacts.digest import file_entries
from hwcore.contract import Artifact, ArtifactCorrupt, Dataset, Role, UserError
from hwcore.workflows.reporter import Progress

DATASET = "dataset.json"


@dataclass(frozen=True)
class DataRequest:
    """A CSV or JSONL file, a folder of images, or a dataset folder made earlier."""

    path: Path
    text_column: str | None = None
    label_column: str | None = None
    max_length: int | None = None
    rows: Mapping[Role, int] = field(default_factory=dict)
    train: bool = False
    """Whether there are to be rows to learn from, where `rows` does not say so."""


def open_data(
    request: DataRequest,
    source: Artifact,
    cache: Cache,
    *,
    seed: int = 0,
    test_rows: int | None = None,
    progress: Progress | None = None,
) -> Dataset:
    """The dataset of a request. Raises `UserError` for everything that is wrong with the file.

    ``test_rows`` are how many rows to hold out, as far as there are so many, where the default
    is fewer.
    """
    from hwcore.data import build_dataset, read_dataset
    from hwcore.data.build import check_kind, check_made_for
    from hwcore.data.split import DEFAULT_ROWS

    path = request.path.expanduser()
    if not path.exists():
        raise UserError(f"{path} is not there", hint="--data takes a file or a folder.")
    if (path / DATASET).exists():
        dataset = read_dataset(path)
        check_made_for(dataset, source)
        return dataset
    check_kind(path, source)  # before the whole of it is hashed
    test_rows = max(test_rows or 0, DEFAULT_ROWS["test"])
    key = _key(request, path, source, seed, test_rows)
    with cache.making(key):
        final = cache.path("datasets", key)
        if final.exists():
            cache.use("datasets", key)
            try:
                found = read_dataset(final)
            except (ArtifactCorrupt, UserError):
                cache.discard("datasets", key)
            else:
                return found
        with cache.workspace() as work:
            shutil.rmtree(work)
            build_dataset(
                path,
                source,
                out=work,
                text_column=request.text_column,
                label_column=request.label_column,
                max_length=request.max_length,
                rows=dict(request.rows) or None,
                test_rows=test_rows,
                train=request.train,
                seed=seed,
                progress=progress or (lambda fraction, message: None),
            )
            describe(work, f"rows of {path.absolute()} for {source.root}")
            return read_dataset(cache.commit(work, "datasets", key))


def _key(request: DataRequest, path: Path, source: Artifact, seed: int, test_rows: int) -> str:
    """Everything that the rows depend on: the file, the tokenizer and labels, and the choices."""
    if path.is_dir():
        names = [p.relative_to(path).as_posix() for p in path.rglob("*") if p.is_file()]
        content = file_entries(path, names)
    else:
        content = file_entries(path.parent, [path.name])
    parts: dict[str, JsonValue] = {
        "content": {name: entry.sha256 for name, entry in content.items()},
        "source": source.digest,
        "text_column": request.text_column,
        "label_column": request.label_column,
        "max_length": request.max_length,
        "rows": dict(sorted(request.rows.items())),
        "test_rows": test_rows,
        "seed": seed,
    }
    if request.train:
        parts["train"] = True
    return sha256_json(parts)
