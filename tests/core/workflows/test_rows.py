"""How many rows are judged on, and the word ahead when they cannot be enough."""

from __future__ import annotations

from pathlib import Path

import parts
import pytest

from hwcore.contract import Artifact, UserError
from hwcore.workflows.rows import check_rows, judged_rows, too_few_rows


@pytest.fixture
def classifier(tmp_path: Path) -> Artifact:
    return parts.artifact(tmp_path / "model")


def test_labelled_rows_are_all_judged_on(tmp_path: Path) -> None:
    data = parts.dataset(tmp_path / "data", {"test": 600})
    assert judged_rows(data) == 600
    assert judged_rows(data, 40) == 40


def test_unlabelled_rows_are_not_unless_asked_for(tmp_path: Path) -> None:
    data = parts.dataset(tmp_path / "data", {"test": 600}, labelled=False)
    assert judged_rows(data) == 500
    assert judged_rows(data, 600) == 600


def test_more_than_there_are_is_refused(tmp_path: Path) -> None:
    data = parts.dataset(tmp_path / "data", {"test": 6})
    check_rows(tmp_path, data, 6)
    with pytest.raises(UserError, match="6 rows to judge on, but --rows asks for 7") as caught:
        check_rows(tmp_path, data, 7)
    assert "give more data" in (caught.value.hint or "")


def test_a_drop_that_no_plan_can_prove_is_told_ahead(tmp_path: Path, classifier: Artifact) -> None:
    data = parts.dataset(tmp_path / "data", {"test": 300})
    assert too_few_rows(data, classifier, None, 0.01) is None
    assert too_few_rows(data, classifier, 267, 0.01) == (
        "no plan can be proven to stay within --max-drop 0.01 on 267 rows: it takes 268 at least, "
        "and more where answers change; --rows says how many to use"
    )
    assert "takes 2703 at least" in str(too_few_rows(data, classifier, None, 0.001))


def test_where_there_is_no_such_number(tmp_path: Path, classifier: Artifact) -> None:
    data = parts.dataset(tmp_path / "data", {"test": 3})
    encoder = parts.artifact(tmp_path / "encoder", task="feature-extraction")
    assert too_few_rows(data, encoder, None, 0.01) is None
    assert too_few_rows(None, classifier, None, 0.01) is None
    assert too_few_rows(data, classifier, None, 0.0) is None
