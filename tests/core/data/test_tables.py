"""CSV and JSONL files, good and bad."""

from __future__ import annotations

import csv
import shutil
import subprocess
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
    assert error.hint == "Save the file as UTF-8, say with: iconv -f latin1 -t UTF-8"


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl"])
@pytest.mark.parametrize("text", ['{"text": "a", "label": "b"}\n', "text,label\nschön,好\n"])
@pytest.mark.parametrize(
    ("encoding", "mark", "told"),
    [
        ("utf-16-le", "", "UTF-16LE"),
        ("utf-16-be", "", "UTF-16BE"),
        ("utf-32-le", "", "UTF-32LE"),
        ("utf-32-be", "", "UTF-32BE"),
        ("utf-16-le", "\ufeff", "UTF-16"),
        ("utf-16-be", "\ufeff", "UTF-16"),
        ("utf-32-le", "\ufeff", "UTF-32"),
        ("utf-32-be", "\ufeff", "UTF-32"),
    ],
)
def test_an_encoding_of_more_than_a_byte(
    tmp_path: Path, name: str, text: str, encoding: str, mark: str, told: str
) -> None:
    """Told by its mark or its NUL bytes, with a command that converts it to what is read."""
    path = tmp_path / name
    error = refused(path, (mark + text).encode(encoding))
    assert error.message == f"{path} is {told}, expected UTF-8"
    assert error.hint == f"Save the file as UTF-8, say with: iconv -f {told} -t UTF-8"
    iconv = shutil.which("iconv")
    if iconv is not None:
        command = [iconv, "-f", told, "-t", "UTF-8", str(path)]
        done = subprocess.run(command, capture_output=True, check=True)
        assert done.stdout.decode("utf-8-sig") == text


def test_a_character_cut_off_at_the_end(tmp_path: Path) -> None:
    assert "line 2: byte 0xe2 is not UTF-8" in refused(tmp_path / "a.csv", b"a\n\xe2\x82").message


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ('a\nx\n"y\nz\n', "the row that begins on line 3: unexpected end of data"),
        ('a\n"x"y\n', "the row that begins on line 2: ',' expected after '\"'"),
        ("a,b\n1,2\n1,2,3\n", "line 3: 3 fields, but the header has 2"),
        ("a,b\n1\n", "line 2: 1 field, but the header has 2"),
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
    ("name", "content", "why", "hint"),
    [
        ("a.csv", "text;label\ngood, very;1\n", "';' in it and not ','", "Save it with commas"),
        ("a.csv", '"text";"label"\n"a";"b"\n', "';' in it and not ','", "Save it with commas"),
        ("a.csv", "\ufefftext;label\na;b\n", "';' in it and not ','", "tabs as a .tsv file"),
        ("a.csv", "text\tlabel\na\tb\n", "a tab in it and not ','", "Rename it to .tsv."),
        ("a.tsv", "text,label\na,b\n", "',' in it and not a tab", "Rename it to .csv."),
        ("a.tsv", "text;label\na;b\n", "';' in it and not a tab", "Save it with commas"),
    ],
)
def test_another_character_between_the_columns(
    tmp_path: Path, name: str, content: str, why: str, hint: str
) -> None:
    path = tmp_path / name
    error = refused(path, content)
    assert error.message == (
        f"{path}: its first line has {why}, which divides the columns of a {path.suffix} file"
    )
    assert hint in str(error.hint)
    assert "The first line must name the columns." in str(error.hint)


def test_one_column_may_hold_other_characters_below_its_name(tmp_path: Path) -> None:
    assert read(tmp_path / "a.csv", "text\na;b\n") == [(2, ("a;b",))]
    assert read(tmp_path / "b.csv", '\ufefftext,"a;b"\nx,y\n') == [(2, ("x", "y"))]


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ('{"a": 1}\n{"a": \n', "line 2: not valid JSON (Expecting value, column 6)"),
        ('{"a": 1}\n{"a": 1,}\n', "line 2: not valid JSON (Expecting property name enclosed in"),
        ('{"a": 1}\n[1]\n', "line 2: a list, expected an object"),
        ("[" * 200_000, "line 1: not valid JSON (it is nested too deeply)"),
        ('{"a": 1' + "0" * 5000 + "}", "line 1: not valid JSON (Exceeds the limit"),
        ("", "has no rows"),
        ("\n\n", "has no rows"),
    ],
)
def test_names_what_is_wrong_with_a_jsonl(tmp_path: Path, content: str, why: str) -> None:
    error = refused(tmp_path / "a.jsonl", content)
    assert error.message.startswith(str(tmp_path / "a.jsonl"))
    assert why in error.message
    assert error.hint is not None


def test_other_kinds_of_files(tmp_path: Path) -> None:
    error = refused(tmp_path / "a.parquet", "")
    assert error.message.endswith("is of no kind that can be read")
    assert "a .csv, .tsv, .jsonl, .ndjson file, or a folder of images" in str(error.hint)


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "a.csv").mkdir()
    with pytest.raises(UserError, match="cannot be read: Is a directory") as caught:
        read_table(tmp_path / "a.csv")
    assert caught.value.hint == "Check that it is a file that you may read."


def test_a_nul_byte_is_named_with_its_row(tmp_path: Path) -> None:
    path = tmp_path / "nul.csv"
    path.write_bytes(b"text,label\ngood,pos\na\0b,neg\n")
    with pytest.raises(UserError, match="row that begins on line 3: it holds a NUL byte"):
        read_table(path)
