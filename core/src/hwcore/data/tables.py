"""The user's CSV or JSONL file, read strictly: what is odd is said, never skipped."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from hwcore.artifacts.files import refuse_endless
from hwcore.contract import UserError
from hwcore.data.encodings import check_encoding, not_utf8
from hwcore.data.words import counted
from hwcore.transformers.config import json_kind, json_problem

MAX_FIELD = 1 << 30
"""Characters of one CSV field; the csv module's own limit, 128 KiB, is less than a long text."""

_DELIMITERS = {".csv": ",", ".tsv": "\t"}
_JSON_LINES = (".jsonl", ".ndjson")
_ONE_PER_LINE = 'Write one object per line, such as {"text": "…", "label": "…"}.'
_MEND = {
    ";": "Save it with commas, or with tabs as a .tsv file.",
    "\t": "Rename it to .tsv.",
    ",": "Rename it to .csv.",
}
"""What else may divide columns, and what to do then."""

SUFFIXES = (*_DELIMITERS, *_JSON_LINES)


@dataclass(frozen=True)
class Record:
    """One row: the line it begins on, counted from 1, and a value per column."""

    line: int
    values: tuple[object, ...]


@dataclass(frozen=True)
class Table:
    """A file's columns and records."""

    path: Path
    names: tuple[str, ...]
    records: tuple[Record, ...]

    @property
    def headed(self) -> bool:
        """True when the names come from the file's first line."""
        return self.path.suffix.lower() in _DELIMITERS

    def column(self, name: str) -> list[tuple[int, object]]:
        """Line and value of each record."""
        index = self.names.index(name)
        return [(record.line, record.values[index]) for record in self.records]


def read_table(path: Path) -> Table:
    """Read a ``.csv`` (RFC 4180, with a header), ``.tsv`` or ``.jsonl`` file in UTF-8.

    Raises `UserError` that names the file and the line.
    """
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise UserError(
            f"{path} is of no kind that can be read",
            hint=f"Give a {', '.join(SUFFIXES)} file, or a folder of images.",
        )
    refuse_endless(path)
    try:
        check_encoding(path)
        if suffix in _JSON_LINES:
            table = _read_json_lines(path)
        else:
            table = _read_csv(path, _DELIMITERS[suffix])
    except UnicodeDecodeError:
        raise not_utf8(path) from None
    except OSError as error:
        raise UserError(
            f"{path} cannot be read: {error.strerror}",
            hint="Check that it is a file that you may read.",
        ) from error
    if not table.records:
        raise UserError(f"{path} has no rows", hint="Give at least 5, better some hundreds.")
    return table


def _read_csv(path: Path, delimiter: str) -> Table:
    with path.open(encoding="utf-8-sig", newline="") as file, _long_fields():
        _check_delimiter(path, file.readline(), delimiter)
        file.seek(0)
        reader = csv.reader(file, delimiter=delimiter, strict=True)
        found: list[tuple[int, list[str]]] = []
        line = 1
        try:
            for fields in reader:
                if any("\0" in field for field in fields):
                    raise csv.Error("it holds a NUL byte, which no text does")
                found.append((line, fields))
                line = reader.line_num + 1
        except csv.Error as error:
            raise UserError(
                f"{path}, the row that begins on line {line}: {error}",
                hint='Put a field that holds a quote, a delimiter or a line break between ", '
                'and double each " in it.',
            ) from error
    names = tuple(name.strip() for name in found[0][1]) if found else ()
    _check_names(path, names)
    while found and not found[-1][1]:
        found.pop()  # blank lines at the end of a file are no rows
    blank = [""] * len(names)
    records = [Record(line, tuple(fields or blank)) for line, fields in found[1:]]
    for record in records:
        if len(record.values) != len(names):
            raise UserError(
                f"{path}, line {record.line}: {counted(len(record.values), 'field')}, "
                f"but the header has {len(names)}",
                hint="Quote fields that hold the delimiter.",
            )
    return Table(path, names, tuple(records))


@contextmanager
def _long_fields() -> Iterator[None]:
    before = csv.field_size_limit(MAX_FIELD)
    try:
        yield
    finally:
        csv.field_size_limit(before)


def _check_delimiter(path: Path, header: str, delimiter: str) -> None:
    """Refuse a header that another character seems to divide: it would be read as one column."""
    other = next((char for char in _MEND if char in header), None)
    if other is None or delimiter in header:
        return
    raise UserError(
        f"{path}: its first line has {_spelled(other)} in it and not {_spelled(delimiter)}, which "
        f"divides the columns of a {path.suffix.lower()} file",
        hint=f"{_MEND[other]} The first line must name the columns.",
    )


def _spelled(delimiter: str) -> str:
    return "a tab" if delimiter == "\t" else repr(delimiter)


def _check_names(path: Path, names: tuple[str, ...]) -> None:
    if not any(names):
        raise UserError(f"{path} has no header", hint="Put the column names into its first line.")
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise UserError(
            f"{path} has two columns named {twice[0]!r}",
            hint="Rename one of them; the first line must name the columns.",
        )


def _read_json_lines(path: Path) -> Table:
    objects: list[tuple[int, dict[str, object]]] = []
    with path.open(encoding="utf-8-sig") as file:
        for line, text in enumerate(file, start=1):
            if not text.strip():
                continue  # JSON Lines: blank lines mean nothing
            try:
                value = json.loads(text.rstrip())
            except (ValueError, RecursionError) as error:
                raise UserError(
                    f"{path}, line {line}: not valid JSON ({_problem(error)})", hint=_ONE_PER_LINE
                ) from error
            if not isinstance(value, dict):
                raise UserError(
                    f"{path}, line {line}: {json_kind(value)}, expected an object",
                    hint=_ONE_PER_LINE,
                )
            objects.append((line, value))
    names = tuple(dict.fromkeys(name for _, value in objects for name in value))
    records = (Record(line, tuple(map(value.get, names))) for line, value in objects)
    return Table(path, names, tuple(records))


def _problem(error: ValueError | RecursionError) -> str:
    """As `json_problem` has it, without the decoder's line, which is 1 for every line."""
    if isinstance(error, json.JSONDecodeError):
        return f"{error.msg}, column {error.colno}"
    return json_problem(error)
