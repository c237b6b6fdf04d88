"""CSV and JSONL files, good and bad."""

from __future__ import annotations

import csv
import tempfile
from pathlib import Path

import models
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwcore.contract import UserError
from hwcore.data.tables import read_table

texts = st.text(  # what UTF-8 can hold, but for NUL, which is refused
    st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20
)


def read(path: Path, content: bytes | str) -> list[tuple[int, tuple[object, ...]]]:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return [(record.line, record.values) for record in read_table(path).records]


def refused(path: Path, content: bytes | str) -> UserError:
    with pytest.raises(UserError) as caught:
        read(path, content)
    return caught.value


@given(st.lists(st.tuples(texts, texts), min_size=1, max_size=5))
def test_reads_what_the_csv_module_writes(rows: list[tuple[str, str]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "data.csv"
        with path.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file, quoting=csv.QUOTE_ALL).writerows([("a", "b"), *rows])
        table = read_table(path)
        assert table.names == ("a", "b")
        assert [record.values for record in table.records] == rows


@given(st.lists(st.dictionaries(st.sampled_from("ab"), texts), min_size=1, max_size=5))
def test_reads_what_the_json_module_writes(rows: list[dict[str, str]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = models.write_jsonl(Path(folder) / "data.jsonl", rows)
        table = read_table(path)
        assert [dict(zip(table.names, r.values, strict=True)) for r in table.records] == [
            {name: row.get(name) for name in table.names} for row in rows
        ]


def test_lines_are_where_a_row_begins(tmp_path: Path) -> None:
    found = read(tmp_path / "a.csv", 'text,label\r\n"one\r\ntwo",x\r\n"a ""b"", c",y\r\n')
    assert found == [(2, ("one\r\ntwo", "x")), (4, ('a "b", c', "y"))]


def test_a_byte_order_mark_and_spaces_in_the_header(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes("\ufefftext , label\na,b\n".encode())
    assert read_table(tmp_path / "a.csv").names == ("text", "label")
    (tmp_path / "a.jsonl").write_bytes('\ufeff{"text": "a"}'.encode())
    assert read_table(tmp_path / "a.jsonl").names == ("text",)


def test_tabs(tmp_path: Path) -> None:
    assert read(tmp_path / "a.tsv", "text\tlabel\na, b\tc\n") == [(2, ("a, b", "c"))]


def test_a_field_longer_than_the_csv_module_allows(tmp_path: Path) -> None:
    before = csv.field_size_limit(131_072)
    assert read(tmp_path / "a.csv", "text\n" + "x" * 500_000) == [(2, ("x" * 500_000,))]
    assert csv.field_size_limit(before) == 131_072


def test_blank_lines(tmp_path: Path) -> None:
    """At the end they are nothing; in the middle of a CSV file they are rows without values."""
    assert read(tmp_path / "a.csv", "a,b\n1,2\n\n\n") == [(2, ("1", "2"))]
    assert read(tmp_path / "a.csv", "a,b\n\n1,2\n") == [(2, ("", "")), (3, ("1", "2"))]
    assert read(tmp_path / "a.jsonl", '\n{"a": 1}\n\n') == [(2, (1,))]


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl"])
def test_another_encoding(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    error = refused(path, b'{"a": 1}\n{"a": 1}\ncaf\xe9')
    assert error.message == f"{path}, line 3: byte 0xe9 is not UTF-8"
    assert error.hint == "Save the file as UTF-8, say with: iconv -f latin1 -t utf-8"
    error = refused(path, "a\nb".encode("utf-16"))
    assert "line 1: byte 0xff is not UTF-8" in error.message


def test_a_character_cut_off_at_the_end(tmp_path: Path) -> None:
    assert "line 2: byte 0xe2 is not UTF-8" in refused(tmp_path / "a.csv", b"a\n\xe2\x82").message


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ('a\nx\n"y\nz\n', "the row that begins on line 3: unexpected end of data"),
        ('a\n"x"y\n', "the row that begins on line 2: ',' expected after '\"'"),
        ("a,b\n1,2\n1,2,3\n", "line 3: 3 fields, but the header has 2"),
        ("a,b\n1\n", "line 2: 1 fields, but the header has 2"),
        ("a,b,a\n1,2,3\n", "has two columns named 'a'"),
        ("", "has no header"),
        ("\n1,2\n", "has no header"),
        ("a,b\n", "has no rows"),
        ("a,b\n\n\n", "has no rows"),
    ],
)
def test_names_what_is_wrong_with_a_csv(tmp_path: Path, content: str, why: str) -> None:
    error = refused(tmp_path / "a.csv", content)
    assert error.message.startswith(str(tmp_path / "a.csv"))
    assert error.message.endswith(why)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ('{"a": 1}\n{"a": \n', "line 2: not valid JSON (Expecting value"),
        ('{"a": 1}\n[1]\n', "line 2: list, expected an object"),
        ("[" * 200_000, "line 1: not valid JSON"),
        ("", "has no rows"),
        ("\n\n", "has no rows"),
    ],
)
def test_names_what_is_wrong_with_a_jsonl(tmp_path: Path, content: str, why: str) -> None:
    error = refused(tmp_path / "a.jsonl", content)
    assert error.message.startswith(str(tmp_path / "a.jsonl"))
    assert why in error.message


def test_other_kinds_of_files(tmp_path: Path) -> None:
    error = refused(tmp_path / "a.parquet", "")
    assert error.message.endswith("is of no kind that can be read")
    assert "a .csv, .tsv, .jsonl, .ndjson file, or a folder of images" in str(error.hint)


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "a.csv").mkdir()
    with pytest.raises(UserError, match="cannot be read: Is a directory"):
        read_table(tmp_path / "a.csv")


def test_a_nul_byte_is_named_with_its_row(tmp_path: Path) -> None:
    path = tmp_path / "nul.csv"
    path.write_bytes(b"text,label\ngood,pos\na\0b,neg\n")
    with pytest.raises(UserError, match="row that begins on line 3: it holds a NUL byte"):
        read_table(path)
