"""The baseline file: what it may say, and how each mistake in it is refused."""

from __future__ import annotations

import datetime
import os
from pathlib import Path

import pytest
from reports import CLAUSES, ROWS

from hwcore.contract import UserError
from hwcore_conformance.baseline import Entry, read_baseline

TODAY = datetime.date(2026, 5, 1)
HEAD = 'schema_version = 1\nplugin = "acme"\n'
GOOD = """
[[entries]]
clause = "RUN-001"
capability = "numpy"
state = "known-failure"
reason = "Zero rows: issue 12."
expires = 2026-06-01
"""


def read(folder: Path, text: str) -> tuple[Entry, ...]:
    file = folder / "baseline.toml"
    file.write_text(text, encoding="utf-8")
    return read_baseline(file, plugin="acme", clauses=CLAUSES, rows=ROWS, today=TODAY)


def test_entries_are_read(tmp_path: Path) -> None:
    [entry] = read(tmp_path, HEAD + GOOD)
    assert entry == Entry(
        clause="RUN-001",
        capability="numpy",
        state="known-failure",
        reason="Zero rows: issue 12.",
        expires=datetime.date(2026, 6, 1),
    )
    assert entry.covers("RUN-001", "numpy")
    assert not entry.covers("RUN-001", "gpu")
    assert read(tmp_path, HEAD) == ()


def test_it_holds_on_its_last_day(tmp_path: Path) -> None:
    assert read(tmp_path, HEAD + GOOD.replace("2026-06-01", str(TODAY)))


@pytest.mark.parametrize(
    ("old", "new", "says", "hint"),
    [
        ("RUN-001", "RUM-001", "no clause 'RUM-001', did you mean 'RUN-001'?", "list"),
        ("RUN-001", "run-01", "no clause 'run-01', did you mean 'RUN-001'?", "list"),
        ("RUN-001", "SAF-001", "SAF-001 numpy is not tested by this suite", "Remove"),
        ('"numpy"', '"numpi"', "no capability 'numpi', did you mean 'numpy'?", "gpu, npz, numpy"),
        ('"numpy"', '"npz"', "RUN-001 is about run, and not about npz (export)", "another"),
        ("RUN-001", "MAN-001", "MAN-001 is about the plugin, and not about numpy", "Leave"),
        ("Zero rows: issue 12.", "", "RUN-001: an entry has no reason", "the report shows it"),
        ("Zero rows: issue 12.", "  ", "RUN-001: an entry has no reason", "the report shows it"),
        ("reason", "# reason", "RUN-001: an entry has no reason", "the report shows it"),
        ("Zero rows: issue 12.", "\\u200b", "RUN-001: an entry has no reason", "report shows it"),
        ("Zero rows: issue 12.", "\\u3164 \\u00a0", "RUN-001: an entry has no reason", "shows it"),
        ("2026-06-01", "0", "RUN-001: entries.0.expires: it is no date", "docs/conformance.md"),
        ("2026-06-01", '"0"', "RUN-001: entries.0.expires: it is no date", "docs/conformance.md"),
        ("2026-06-01", "2026-06-01T00:00:00", "RUN-001: entries.0.expires: it is no date", "docs"),
        ("expires", "# expires", "RUN-001: an entry has no date", "expires = 2027-01-31"),
        ("2026-06-01", "2026-04-30", "the entry RUN-001 numpy expired on 2026-04-30", "Mend"),
        ("2026-06-01", '"soon"', "RUN-001: entries.0.expires: ", "docs/conformance.md"),
        ("known-failure", "skip", "RUN-001: entries.0.state: ", "docs/conformance.md"),
        ("reason", "raison", "no key 'raison', did you mean 'reason'?", "clause, capability"),
    ],
)
def test_a_bad_entry_is_refused(tmp_path: Path, old: str, new: str, says: str, hint: str) -> None:
    with pytest.raises(UserError) as caught:
        read(tmp_path, HEAD + GOOD.replace(old, new, 1))
    assert says in caught.value.message
    assert hint in (caught.value.hint or "")
    assert "baseline.toml" in caught.value.message


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('schema_version = 1\nplugin = "acne"\n', "about the plugin 'acne', and this is 'acme'"),
        ('schema_version = 2\nplugin = "acme"\n', "it is of another version"),
        ('schema_version = true\nplugin = "acme"\n', "it is of another version"),
        ('schema_version = 1.0\nplugin = "acme"\n', "it is of another version"),
        ("x = " + "9" * 5000, "is not TOML"),
        ("x = " + "[" * 50_000, "is not TOML"),
        (HEAD + "#" * (1 << 20), "is too large for a baseline"),
        (HEAD + "plugins = 1", "there is no key 'plugins', did you mean 'plugin'?"),
        (HEAD + "entries = 1", "entries: "),
        ("plugin acme", "is not TOML"),
        (HEAD + GOOD + GOOD, "RUN-001 numpy is listed twice"),
        (HEAD + GOOD + GOOD.replace('capability = "numpy"\n', ""), "RUN-001 is listed twice"),
        (HEAD + GOOD.replace("Zero", "\\u001b[31mZero").replace("RUN-001", "X"), "no clause 'X'"),
    ],
)
def test_a_bad_file_is_refused(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(UserError) as caught:
        read(tmp_path, text)
    assert says in caught.value.message
    assert caught.value.hint


def test_a_reason_cannot_colour_the_terminal(tmp_path: Path) -> None:
    [entry] = read(tmp_path, HEAD + GOOD.replace("Zero", "\\u001b[31mZero"))
    assert entry.reason.startswith("\\x1b[31mZero")


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for name, says in (("absent", "cannot be read"), ("pipe", "is no file"), (".", "is no file")):
        with pytest.raises(UserError, match=says):
            read_baseline(tmp_path / name, plugin="acme", clauses=CLAUSES, rows=ROWS, today=TODAY)
