"""Finding the columns."""

from __future__ import annotations

from pathlib import Path

import pytest

from hwcore.contract import UserError
from hwcore.data.columns import find_label, find_text
from hwcore.data.tables import Table


def table(*names: str) -> Table:
    return Table(Path("data.csv"), names, ())


@pytest.mark.parametrize(
    ("names", "text", "label"),
    [
        (("id", "text", "label"), "text", "label"),
        (("Review", "Sentiment"), "Review", "Sentiment"),
        (("sentence", "idx"), "sentence", None),
        (("label", "label_text", "content"), "content", "label"),
        (("anything",), "anything", None),
    ],
)
def test_usual_names(names: tuple[str, ...], text: str, label: str | None) -> None:
    assert find_text(table(*names), None) == text
    assert find_label(table(*names), None) == label


def test_a_name_given_wins() -> None:
    both = table("text", "body", "label", "topic")
    assert find_text(both, "body") == "body"
    assert find_label(both, "topic") == "topic"


def test_a_name_that_is_not_there() -> None:
    with pytest.raises(UserError) as caught:
        find_text(table("review", "sentiment"), "reviews")
    assert caught.value.message == "data.csv has no column 'reviews'"
    assert caught.value.hint == (
        "Its columns are review, sentiment. The first line must name them."
    )
    with pytest.raises(UserError, match="has no column 'y'"):
        find_label(table("text"), "y")


def test_several_that_fit() -> None:
    with pytest.raises(UserError) as caught:
        find_text(table("text", "body", "x"), None)
    assert caught.value.message == "data.csv has several columns that may be the text: text, body"
    assert caught.value.hint == "Name the column with --text-column. All columns: text, body, x."
    with pytest.raises(UserError, match="may be the label: label, class"):
        find_label(table("text", "label", "class"), None)


def test_none_that_fits() -> None:
    with pytest.raises(UserError) as caught:
        find_text(table("premise", "hypothesis"), None)
    assert "no column with a usual name for texts, only premise, hypothesis" in caught.value.message
    assert caught.value.hint == (
        "Name the column with --text-column. If this is data, put a line above it that names the "
        "columns."
    )


def test_none_that_fits_in_json_lines() -> None:
    with pytest.raises(UserError) as caught:
        find_text(Table(Path("data.jsonl"), ("premise", "hypothesis"), ()), None)
    assert caught.value.hint == "Name the column with --text-column."


def test_data_where_the_names_should_be_is_shown_cut_short() -> None:
    first = ("A film of three hours, none\nof which I want to have back", *"abcdefghijklmno")
    with pytest.raises(UserError) as caught:
        find_text(table(*first), None)
    assert caught.value.message == (
        "data.csv has no column with a usual name for texts, only "
        "A film of three hours, none of which I …, a, b, c, d, e, f, g, h, i, j, k …"
    )
