"""Plugins' own words, made safe to show."""

from __future__ import annotations

import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from hwcore_conformance.states import Record, State
from hwcore_conformance.text import LONGEST, clean, near, one_line, some


@given(st.text(st.characters(), max_size=50))
def test_nothing_is_left_that_acts(text: str) -> None:
    shown = clean(text)
    shown.encode("utf-8")
    acts = {c for c in shown if unicodedata.category(c) in {"Cc", "Cf", "Cs", "Zl", "Zp"}}
    assert acts <= {"\n", "\t"}
    assert clean(shown) == shown


def test_what_is_clean_stays() -> None:
    assert clean("naïve 模型 → 1 ✓\n\tmore") == "naïve 模型 → 1 ✓\n\tmore"
    assert clean("\x1b[31m\u202eabc\ud800") == "\\x1b[31m\\u202eabc\\ud800"


def test_megabytes_are_cut() -> None:
    assert len(clean("x" * 5_000_000)) == len(clean("\x00" * 5_000_000)) == LONGEST
    record = Record(
        clause="RUN-001", level="MUST", family="run", state=State.FAIL, message="\x07" * 5_000_000
    )
    assert len(record.message) == LONGEST


def test_measured_values_come_back_from_json_as_they_were() -> None:
    measured = {"\x00": [1.5, float("nan"), float("-inf"), {"deep": "\x1b"}], "n": 3, "ok": True}
    record = Record(
        clause="RUN-001", level="MUST", family="run", state=State.PASS, measured=measured
    )
    shown = {"\\x00": [1.5, "nan", "-inf", {"deep": "\\x1b"}], "n": 3, "ok": True}
    assert record.measured == shown
    assert Record.model_validate_json(record.model_dump_json()) == record


def test_short_forms() -> None:
    assert one_line("a\n  b\x00") == "a b\\x00"
    assert one_line("x" * 20, width=5) == "xxxx…"
    assert some(list("abc"), most=2) == "a, b and 1 more"
    assert near("xyz", ["abc"]) == ""
