"""Scores and errors of answers, by hand."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import torch

from core_plugin_torch.sensitivity.judge import Judge
from hwcore.contract import Metric, UserError

LOGITS = [torch.tensor([[2.0, 1.0], [0.0, 1.0]]), torch.tensor([[3.0, 0.0]])]
"""Three rows in two batches; squares of 15 in all."""
SEQUENCES = [torch.tensor([[[1.0, 0.0], [0.0, 1.0]], [[2.0, 0.0], [0.0, 0.0]]])]


def test_the_metric_where_rows_have_labels() -> None:
    judge = Judge(LOGITS, np.array([0, 0, 0]), Metric(name="accuracy"))
    assert (judge.metric, judge.rows) == ("accuracy", 3)
    assert judge.baseline == pytest.approx(2 / 3)
    assert judge.score([-LOGITS[0], LOGITS[1]]) == pytest.approx(2 / 3)
    assert judge.score([LOGITS[0], -LOGITS[1]]) == pytest.approx(1 / 3)


def test_agreement_where_they_have_none() -> None:
    judge = Judge(LOGITS, None, None)
    assert (judge.metric, judge.baseline) == ("agreement", 1.0)
    assert judge.score([-LOGITS[0], LOGITS[1]]) == pytest.approx(1 / 3)


def test_the_cosine_of_sequences() -> None:
    judge = Judge(SEQUENCES, None, None)
    assert (judge.metric, judge.baseline) == ("cosine", pytest.approx(1.0))
    other = [torch.tensor([[[1.0, 0.0], [0.0, -1.0]], [[7.0, 0.0], [0.0, 0.0]]])]
    assert judge.score(other) == pytest.approx((0 + 1) / 2)


def test_the_error_is_squared_and_relative() -> None:
    judge = Judge(LOGITS, None, None)
    assert judge.error(LOGITS) == 0
    assert judge.error([0 * answer for answer in LOGITS]) == pytest.approx(1)
    assert judge.error([LOGITS[0] + 1, LOGITS[1]]) == pytest.approx(4 / 15)


def test_what_is_not_finite_is_as_bad_as_can_be() -> None:
    broken = [LOGITS[0] * float("nan"), LOGITS[1]]
    judge = Judge(LOGITS, np.array([0, 1, 0]), Metric(name="accuracy"))
    assert judge.error(broken) == sys.float_info.max
    assert judge.score(broken) == pytest.approx(1 / 3)
    assert Judge(SEQUENCES, None, None).score([SEQUENCES[0] * float("nan")]) == 0


def test_a_model_that_is_broken_itself_is_refused() -> None:
    with pytest.raises(UserError, match="the model itself gives answers that are not finite"):
        Judge([LOGITS[0] * float("inf")], None, None)


def test_a_model_that_answers_nothing_has_no_error() -> None:
    judge = Judge([torch.zeros(1, 2)], None, None)
    assert judge.error([torch.zeros(1, 2)]) == 0
    assert judge.error([torch.ones(1, 2)]) == 1
