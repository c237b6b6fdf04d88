"""A model's answers to many rows, in memory and on disk."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import NamedTuple

import numpy as np

from hwcore.contract import Array


class Answers(NamedTuple):
    """The output for every row, in order; rows of sequences keep their own length."""

    outputs: list[Array]
    labels: Array | None

    @property
    def flat(self) -> bool:
        """True when each row's output is a vector: logits, not a sequence."""
        return all(row.ndim == 1 for row in self.outputs)

    @property
    def finite(self) -> bool:
        """True when every number is one."""
        return all(bool(np.isfinite(row).all()) for row in self.outputs)

    @property
    def stacked(self) -> Array:
        """float32 ``[rows, classes]`` of flat answers."""
        return np.stack(self.outputs).astype(np.float32)


def save_answers(path: Path, key: str, found: Answers) -> None:
    """Write answers with the key they are found again by."""
    rows = [np.atleast_2d(row) for row in found.outputs]
    arrays = {
        "key": np.array(key),
        "values": np.concatenate(rows),
        "ends": np.cumsum([len(row) for row in rows]),
        "flat": np.array(found.flat),
    }
    if found.labels is not None:
        arrays["labels"] = found.labels
    temporary = path.with_name(f".{path.name}")
    with temporary.open("wb") as stream:
        np.savez(stream, **arrays)
    temporary.replace(path)


def load_answers(path: Path, key: str) -> Answers | None:
    """Answers saved under ``key``; ``None`` if there are none, others, or half of them."""
    try:
        # Opened here: numpy leaves a damaged file open when it opens it by itself.
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as stored:
            if str(stored["key"]) != key:
                return None
            rows = np.split(stored["values"], stored["ends"][:-1])
            outputs = [row[0] for row in rows] if stored["flat"] else rows
            labels = stored["labels"] if "labels" in stored.files else None
    except (FileNotFoundError, zipfile.BadZipFile, KeyError, ValueError, EOFError):
        return None
    return Answers(outputs, labels)
