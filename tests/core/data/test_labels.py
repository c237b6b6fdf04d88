"""Labels, as people write them."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwcore.contract import UserError
from hwcore.data.labels import LabelMap

SENTIMENT = LabelMap(["NEGATIVE", "POSITIVE"])


@pytest.mark.parametrize(
    ("label", "expected"),
    [
        ("NEGATIVE", 0),
        ("positive", 1),
        (" Positive ", 1),
        ("0", 0),
        (1, 1),
        (1.0, 1),
        ("1.0", 1),
        ("2", None),
        ("-1", None),
        ("1.5", None),
        ("neutral", None),
        (True, None),
        ([1], None),
        ({"a": 1}, None),
    ],
)
def test_names_and_ids(label: object, expected: int | None) -> None:
    assert SENTIMENT.id_of(label) == expected


def test_numbers_for_names_are_names() -> None:
    stars = LabelMap(["1", "2", "3"])
    assert [stars.id_of(label) for label in ("1", 3, "0")] == [0, 2, None]


def test_names_that_differ_in_case_only() -> None:
    both = LabelMap(["us", "US"])
    assert [both.id_of(label) for label in ("us", "US", "Us")] == [0, 1, None]


@given(st.lists(st.text(min_size=1), min_size=1, unique=True))
def test_every_name_is_itself(names: list[str]) -> None:
    known = LabelMap(names)
    assert [known.id_of(name) for name in names] == list(range(len(names)))


def test_an_unknown_label() -> None:
    with pytest.raises(UserError) as caught:
        SENTIMENT.ids(Path("a.csv"), [(2, "positive"), (7, "neutral")])
    assert caught.value.message == "a.csv, line 7: the model does not know the label 'neutral'"
    assert caught.value.hint == (
        "It knows NEGATIVE, POSITIVE, or 0 to 1: id2label in its config.json."
    )
    with pytest.raises(UserError) as caught:
        LabelMap(["1", "2"]).ids(Path("a.csv"), [(2, "5")])
    assert caught.value.hint == "It knows 1, 2: id2label in its config.json."


@pytest.mark.parametrize("nothing", [None, "", "  "])
def test_no_label(nothing: object) -> None:
    with pytest.raises(UserError, match=r"a\.csv, line 3: the label is empty"):
        SENTIMENT.ids(Path("a.csv"), [(3, nothing)])
