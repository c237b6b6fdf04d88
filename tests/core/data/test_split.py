"""Drawing rows."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwcore.contract import Array, Column, Role, UserError
from hwcore.data.split import ORDER, choose


class Words:
    """Rows that are one word each."""

    path = Path("data.csv")

    def __init__(self, words: Sequence[object], *, labelled: bool = True) -> None:
        self.columns: dict[str, Column] = {}
        self.words = words
        self.labels = [0] * len(words) if labelled else None

    def __len__(self) -> int:
        return len(self.words)

    def keys(self, rows: Sequence[int]) -> list[bytes]:
        return [str(self.words[row]).encode() for row in rows]

    def inputs(self, rows: Sequence[int]) -> dict[str, list[Array]]:
        raise NotImplementedError


counts = st.fixed_dictionaries({}, optional={role: st.integers(0, 8) for role in ORDER})


@given(st.lists(st.integers(0, 20), min_size=1, max_size=60), counts, st.integers(0, 5))
def test_roles_share_no_content(words: list[int], rows: dict[Role, int], seed: int) -> None:
    material = Words(words)
    total = sum(rows.values())
    if not 0 < total <= len(set(words)):
        with pytest.raises(UserError):
            choose(material, rows, seed)
        return
    chosen = choose(material, rows, seed)
    assert {role: len(ids) for role, ids in chosen.items()} == {
        role: count for role, count in rows.items() if count
    }
    taken = [words[row] for ids in chosen.values() for row in ids]
    assert len(set(taken)) == total
    assert choose(material, rows, seed) == chosen


def test_the_seed_decides() -> None:
    material = Words(range(1000))
    assert choose(material, {"test": 50}, 0) != choose(material, {"test": 50}, 1)


def test_test_rows_stay_when_other_roles_change() -> None:
    material = Words(range(1000))
    few = choose(material, {"test": 50, "calibration": 10}, 0)
    many = choose(material, {"train": 99, "calibration": 20, "tune": 30, "test": 50}, 0)
    assert few["test"] == many["test"]


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        (5, {"test": 3, "tune": 1, "calibration": 1}),
        (100, {"test": 60, "tune": 20, "calibration": 20}),
        (1000, {"test": 672, "tune": 200, "calibration": 128}),
        (2627, {"test": 1999, "tune": 500, "calibration": 128}),
        (9999, {"test": 2000, "tune": 500, "calibration": 128}),
    ],
)
def test_defaults(rows: int, expected: dict[str, int]) -> None:
    chosen = choose(Words(range(rows)), None, 0)
    assert {role: len(ids) for role, ids in chosen.items()} == expected


def test_rows_without_labels_tune_nothing() -> None:
    chosen = choose(Words(range(100), labelled=False), None, 0)
    assert {role: len(ids) for role, ids in chosen.items()} == {"test": 80, "calibration": 20}
    asked = choose(Words(range(100), labelled=False), {"tune": 3}, 0)
    assert len(asked["tune"]) == 3


def test_fewer_rows_than_asked() -> None:
    with pytest.raises(UserError) as caught:
        choose(Words([*range(90), *range(10)]), {"calibration": 20, "test": 80}, 0)
    assert caught.value.message == (
        "data.csv has 90 distinct rows (100 in all), but 100 are asked for: test 80, calibration 20"
    )
    assert caught.value.hint == "Ask for fewer rows, or give more data."


def test_too_few_rows_for_anything() -> None:
    with pytest.raises(UserError, match="has 4 distinct rows, too few to judge a model by"):
        choose(Words([1, 2, 3, 4, 4, 4]), None, 0)
    with pytest.raises(UserError, match="has 1 distinct row, too few to judge a model by"):
        choose(Words([1, 1]), None, 0)
    with pytest.raises(UserError, match=r"has 1 distinct row \(2 in all\), but 2 are asked for"):
        choose(Words([1, 1]), {"test": 2}, 0)


@pytest.mark.parametrize(
    ("rows", "why"),
    [
        ({"test": -1}, "-1 rows for the role 'test' cannot be"),
        ({"validation": 3}, "3 rows for the role 'validation' cannot be"),
        ({"test": 0}, "no rows are asked for"),
        ({}, "no rows are asked for"),
    ],
)
def test_requests_that_cannot_be(rows: dict[Role, int], why: str) -> None:
    with pytest.raises(UserError, match=why):
        choose(Words(range(9)), rows, 0)


class TestRowsToLearnFrom:
    @pytest.mark.parametrize("labelled", [True, False])
    def test_are_what_is_left(self, labelled: bool) -> None:
        chosen = choose(Words(range(6000), labelled=labelled), None, 0, train=True)
        assert {role: len(ids) for role, ids in chosen.items()} == {
            "test": 2000,
            "tune": 500,
            "calibration": 128,
            "train": 6000 - 2628,
        }

    def test_are_not_those_that_are_judged_on_without_them(self) -> None:
        words = Words(range(6000))
        judged = choose(words, None, 0)["test"]
        learnt = choose(words, None, 0, train=True)["train"]
        assert not set(judged) & set(learnt)

    def test_are_most_of_a_small_file(self) -> None:
        chosen = choose(Words(range(400)), None, 0, train=True)
        counts = {role: len(ids) for role, ids in chosen.items()}
        assert counts == {"test": 80, "tune": 80, "calibration": 80, "train": 160}

    def test_are_as_many_as_were_asked_for(self) -> None:
        chosen = choose(Words(range(400)), {"train": 7, "test": 3}, 0, train=True)
        assert {role: len(ids) for role, ids in chosen.items()} == {"test": 3, "train": 7}
