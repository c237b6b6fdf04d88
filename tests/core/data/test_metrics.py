"""Metrics against their definitions, spelled out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwcore.contract import Dataset, DatasetInfo, Metric, PluginError, UserError
from hwcore.data import compute, correct, predictions, score
from hwcore.data.layout import VISIBLE, role_folder
from hwcore.data.store import new_folder, write_info
from hwcore.data.writer import write_rows

ACCURACY = Metric(name="accuracy")
F1 = Metric(name="f1")

pairs = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=30)


def one_hot(classes: list[int]) -> np.ndarray:
    return np.eye(4)[classes]


@given(pairs)
def test_accuracy(rows: list[tuple[int, int]]) -> None:
    predicted, labels = map(list, zip(*rows, strict=True))
    expected = [p == label for p, label in rows]
    assert correct(one_hot(predicted), np.array(labels)).tolist() == expected
    found = compute(ACCURACY, one_hot(predicted), np.array(labels))
    assert found == pytest.approx(sum(expected) / len(rows))


@given(pairs)
def test_macro_f1(rows: list[tuple[int, int]]) -> None:
    scores = []
    for label in {value for row in rows for value in row}:
        true = sum(p == label and t == label for p, t in rows)
        precision = true / max(1, sum(p == label for p, _ in rows))
        recall = true / max(1, sum(t == label for _, t in rows))
        scores.append(2 * precision * recall / (precision + recall) if true else 0.0)
    predicted, labels = map(list, zip(*rows, strict=True))
    found = compute(F1, one_hot(predicted), np.array(labels))
    assert found == pytest.approx(sum(scores) / len(scores))


@pytest.mark.parametrize("broken", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("metric", [ACCURACY, F1])
def test_a_broken_model_scores_nothing(broken: float, metric: Metric) -> None:
    logits = np.array([[broken, 0.0], [0.0, broken]])
    assert predictions(logits).tolist() == [-1, -1]
    for labels in ([0, 1], [1, 0], [0, 0], [1, 1]):
        assert compute(metric, logits, np.array(labels)) == 0


def test_requests_that_cannot_be() -> None:
    with pytest.raises(UserError, match="there is no metric 'bleu'") as caught:
        compute(Metric(name="bleu"), np.eye(2), np.arange(2))
    assert caught.value.hint == "There are accuracy, f1."
    for logits, labels in ((np.eye(2), np.arange(3)), (np.eye(2)[:0], np.arange(0))):
        with pytest.raises(UserError, match="do not go with labels"):
            compute(ACCURACY, logits, labels)


LABELS = np.array([0, 1, 1, 0, 1])


def labelled(folder: Path, metric: Metric | None = ACCURACY) -> Dataset:
    """Five rows whose only input is their label."""
    from hwcore.contract import Column

    column = Column(dtype="int64", shape=(1,))
    info = DatasetInfo(
        task="text-classification",
        columns={"x": column},
        labels=("no", "yes") if metric else (),
        metric=metric,
        rows={"tune": 5},
    )
    with new_folder(folder) as work:
        (work / VISIBLE).mkdir()
        write_rows(
            role_folder(work, "tune"),
            info.columns,
            [{"x": [np.array([label]) for label in LABELS]}],
            ids=range(5),
            labels=LABELS.tolist() if metric else None,
        )
        info = write_info(work, info)
    return Dataset(path=folder, info=info)


def test_score(tmp_path: Path) -> None:
    data = labelled(tmp_path / "data")
    assert score(data, lambda inputs: {"logits": np.eye(2)[inputs["x"][:, 0]]}) == 1
    wrong = score(data, lambda inputs: {"logits": np.eye(2)[1 - inputs["x"][:, 0]]}, batch_size=2)
    assert wrong == 0
    constant = score(data, lambda inputs: {"logits": np.eye(2)[0 * inputs["x"][:, 0] + 1]})
    assert constant == pytest.approx(3 / 5)


def test_score_drops_what_a_larger_batch_repeats(tmp_path: Path) -> None:
    from hwcore.contract import Signature, TensorSpec

    data = labelled(tmp_path / "data")
    spec = TensorSpec(name="x", dtype="int32", shape=(4, 1))
    fixed = Signature(inputs=(spec,), outputs=())

    def predict(inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        assert inputs["x"].shape == (4, 1)
        return {"logits": np.eye(2)[inputs["x"][:, 0]]}

    assert score(data, predict, batch_size=4, signature=fixed) == 1


def test_score_looks_at_the_output_that_the_metric_names(tmp_path: Path) -> None:
    data = labelled(tmp_path / "data", Metric(name="accuracy", params={"output": "y"}))
    assert score(data, lambda inputs: {"y": np.eye(2)[inputs["x"][:, 0]]}) == 1
    with pytest.raises(PluginError, match="for 5 rows, without 'y'"):
        score(data, lambda inputs: {"logits": np.eye(2)[inputs["x"][:, 0]]})
    with pytest.raises(PluginError, match=r"predict gave \{'y': \(1, 2\)\} for 5 rows"):
        score(data, lambda inputs: {"y": np.eye(2)[:1]})


def test_nothing_to_score(tmp_path: Path) -> None:
    data = labelled(tmp_path / "data", None)
    with pytest.raises(UserError, match="the dataset has no labels, so there is nothing to score"):
        score(data, lambda inputs: {})
    with pytest.raises(UserError, match="the dataset has no test rows"):
        score(labelled(tmp_path / "other"), lambda inputs: {}, role="test")
