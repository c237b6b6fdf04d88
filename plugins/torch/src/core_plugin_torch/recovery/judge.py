"""How good a model is while it learns: the user's metric, or agreement with the original."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from torch import nn

from core_plugin_torch.recovery.student import predict
from hwcore.contract import Array, Arrays, Cancelled, Context, Dataset, Signature
from hwcore.data import batches


@dataclass(frozen=True)
class Judge:
    """Scores flat modules over the ``tune`` rows; higher is better."""

    score: Callable[[nn.Module], float]
    rows: int
    """How many a score is a share of; 0 where it is no share."""


BATCH = 32
MASK = "attention_mask"


def judge_for(
    data: Dataset, signature: Signature, teacher: nn.Module, ctx: Context
) -> Judge | None:
    """The user's metric where rows have labels, else agreement; ``None`` without ``tune`` rows."""

    def asked(flat: nn.Module) -> Callable[[Arrays], dict[str, Array]]:
        def answer(inputs: Arrays) -> dict[str, Array]:
            if ctx.cancelled():
                raise Cancelled("the training was stopped")
            return predict(flat, inputs)

        return answer

    if not data.count("tune"):
        return None
    if data.info.metric is not None:
        return Judge(lambda flat: ctx.score(asked(flat)), data.count("tune"))
    return Judge(lambda flat: agreement(data, signature, asked(flat), asked(teacher)), 0)


def agreement(
    data: Dataset,
    signature: Signature,
    student: Callable[[Arrays], dict[str, Array]],
    teacher: Callable[[Arrays], dict[str, Array]],
) -> float:
    """The mean cosine of two models' answers to ``tune`` rows; of each token that is there."""
    found: list[Array] = []
    for batch in batches(data, "tune", batch_size=BATCH, signature=signature):
        first, second = student(batch.inputs), teacher(batch.inputs)
        for name, array in first.items():
            cosines = cosine(array, second[name])[: len(batch.rows)]
            mask = batch.inputs.get(MASK)
            if mask is not None and cosines.ndim == 2:  # of each token; not of padding
                cosines = cosines[mask[: len(batch.rows)] == 1]
            found.append(cosines.ravel())
    return float(np.concatenate(found).mean())


def cosine(first: Array, second: Array) -> Array:
    """Along the last axis; 0 where one of the two is zero."""
    first, second = np.asarray(first, np.float64), np.asarray(second, np.float64)
    sizes = np.linalg.norm(first, axis=-1) * np.linalg.norm(second, axis=-1)
    found: Array = (first * second).sum(axis=-1) / np.maximum(sizes, np.finfo(np.float64).tiny)
    return found
