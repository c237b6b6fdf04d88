"""How far a model's answers are from the untouched model's, and from the labels."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from hwcore.contract import Array, Metric, UserError
from hwcore.data import compute

Answers = Sequence[Tensor]
"""Of each batch: ``[rows, classes]``, or ``[rows, tokens, width]`` with zeros where no token is."""


class Judge:
    """Compares answers with those of the untouched model, as hwcore judges plans.

    By the metric where rows have labels, else by agreement of the top class, or for sequences by
    the mean cosine of rows.
    """

    def __init__(self, reference: Answers, labels: Array | None, metric: Metric | None) -> None:
        """``labels`` are int64 ``[rows]``, in the order of the answers.

        Raises `UserError` where the untouched model's answers are not finite.
        """
        if not all(bool(torch.isfinite(answer).all()) for answer in reference):
            raise UserError(
                "the model itself gives answers that are not finite",
                hint="Nothing can be compared with it: check its weights and the data.",
            )
        self._reference = reference
        self._energy = sum(float(answer.double().square().sum()) for answer in reference)
        self._flat = all(answer.ndim == 2 for answer in reference)
        self._labels = labels
        self._metric = metric if labels is not None and self._flat else None
        self.rows = sum(len(answer) for answer in reference)
        self.metric = "agreement" if self._flat else "cosine"
        if self._metric is not None:
            self.metric = self._metric.name
        self.baseline = self.score(reference)

    def score(self, answers: Answers) -> float:
        """Higher is better; 1 for the untouched model where rows have no labels."""
        if self._metric is not None and self._labels is not None:
            logits = torch.cat(list(answers)).double().numpy()
            return compute(self._metric, logits, self._labels)
        pairs = zip(answers, self._reference, strict=True)
        rows = torch.cat([self._alike(found, expected) for found, expected in pairs])
        return float(rows.mean())

    def error(self, answers: Answers) -> float:
        """``‖ŷ − y‖² / ‖y‖²`` over all rows; the largest float where ``ŷ`` is not finite."""
        pairs = zip(answers, self._reference, strict=True)
        total = sum(float((found.double() - expected).square().sum()) for found, expected in pairs)
        if not np.isfinite(total):
            return sys.float_info.max
        return total / self._energy if self._energy else float(total > 0)

    def _alike(self, found: Tensor, expected: Tensor) -> Tensor:
        """Of each row of a batch: whether it has the same top class, or the cosine."""
        if self._flat:
            return (found.argmax(dim=1) == expected.argmax(dim=1)).double()
        first, second = found.double().flatten(1), expected.double().flatten(1)
        sizes = first.norm(dim=1) * second.norm(dim=1)
        cosines = (first * second).sum(dim=1) / sizes.clamp_min(sys.float_info.min)
        return torch.nan_to_num(cosines, nan=0.0)  # a broken row is like none
