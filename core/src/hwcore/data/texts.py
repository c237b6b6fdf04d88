"""Texts of a CSV or JSONL file, tokenized with the model's own tokenizer."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from hwcore.contract import Array, Artifact, Column, UserError
from hwcore.data.columns import find_label, find_text
from hwcore.data.labels import LabelMap
from hwcore.data.material import classes
from hwcore.data.tables import Table, read_table
from hwcore.data.words import counted
from hwcore.transformers.tokenizer import load_tokenizer

DEFAULT_MAX_LENGTH = 128
"""Tokens: what fits most sentences and reviews' gist, and what latency is usually quoted for."""


class Texts:
    """`Material` made of texts."""

    def __init__(
        self,
        path: Path,
        source: Artifact,
        *,
        text_column: str | None,
        label_column: str | None,
        max_length: int | None,
    ) -> None:
        table = read_table(path)
        self.path = path
        texts = find_text(table, text_column)
        self._texts = _texts(table, texts)
        self.labels = _labels(table, source, label_column, texts)
        self._tokenizer = load_tokenizer(
            source.root,
            source.component().signature,
            max_length=DEFAULT_MAX_LENGTH if max_length is None else max_length,
        )
        self.columns = {
            name: Column(dtype="int64", shape=(None,), pad=self._tokenizer.pads[name])
            for name in self._tokenizer.names
        }
        self._encoded: dict[int, dict[str, Array]] = {}

    def __len__(self) -> int:
        return len(self._texts)

    def keys(self, rows: Sequence[int]) -> list[bytes]:
        """Token ids: texts that differ only beyond the cut are one text to the model."""
        encoded = self._tokenizer([self._texts[row] for row in rows])
        for position, row in enumerate(rows):
            self._encoded[row] = {
                name: np.array(column[position], dtype=np.int64) for name, column in encoded.items()
            }
        return [self._encoded[row]["input_ids"].tobytes() for row in rows]

    def inputs(self, rows: Sequence[int]) -> dict[str, list[Array]]:
        """The inputs of the model's signature, ``[tokens]`` each."""
        return {name: [self._encoded[row][name] for row in rows] for name in self.columns}


def _texts(table: Table, column: str) -> list[str]:
    values = table.column(column)
    empty = [line for line, value in values if value is None or not str(value).strip()]
    if empty:
        lines = ", ".join(map(str, empty[:5])) + (" …" if len(empty) > 5 else "")
        raise UserError(
            f"{table.path} has {len(empty)} of {counted(len(values), 'row')} without text "
            f"in column {column!r}: line {lines}",
            hint="Delete those rows, or fill them in.",
        )
    texts = []
    for line, value in values:
        if not isinstance(value, str):
            raise UserError(
                f"{table.path}, line {line}: column {column!r} holds {value!r}, expected text",
                hint="Put the value between quotes, or name another column with --text-column.",
            )
        if not _is_unicode(value):
            raise UserError(
                f"{table.path}, line {line}: half of a UTF-16 pair, not a character",
                hint=r"Write both \u escapes of the character, or the character itself.",
            )
        texts.append(value)
    return texts


def _is_unicode(text: str) -> bool:
    r"""False for what JSON's ``\ud800`` can smuggle in, and no tokenizer takes."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _labels(table: Table, source: Artifact, named: str | None, texts: str) -> list[int] | None:
    names = classes(source)
    if not names:
        if named is not None:
            raise UserError(
                f"the model's task is {source.task}, which has no labels",
                hint="Leave --label-column out: outputs are then compared with the original's.",
            )
        return None
    column = find_label(table, named)
    if column == texts:
        raise UserError(
            f"{table.path}: column {column!r} is taken for the texts and for the labels",
            hint="Name both with --text-column and --label-column.",
        )
    return None if column is None else LabelMap(names).ids(table.path, table.column(column))
