"""Metrics of classifiers, in numpy: one number, higher is better."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from hwcore.contract import Array, Dataset, Metric, PluginError, Predict, Role, Signature, UserError
from hwcore.data.batches import batches

Booleans = np.ndarray[Any, np.dtype[np.bool_]]


def predictions(logits: Array) -> Array:
    """Class ids, int64 ``[rows]``, of logits ``[rows, classes]``.

    A row with a logit that is not finite predicts -1, which no label equals: a broken model
    must not score by luck.
    """
    finite = np.isfinite(logits).all(axis=1)
    return np.where(finite, np.argmax(logits, axis=1), -1)


def correct(logits: Array, labels: Array) -> Booleans:
    """Whether each row is right: what two models are paired by."""
    right: Booleans = predictions(logits) == labels
    return right


def accuracy(logits: Array, labels: Array) -> float:
    """Share of rows that are right."""
    return float(correct(logits, labels).mean())


def f1(logits: Array, labels: Array) -> float:
    """Macro F1: the plain mean over the classes that occur as a label or a prediction."""
    predicted = predictions(logits)
    classes = np.union1d(labels, predicted[predicted >= 0])
    scores = []
    for label in classes:
        hits = np.sum((predicted == label) & (labels == label))
        scores.append(2 * hits / (np.sum(predicted == label) + np.sum(labels == label)))
    return float(np.mean(scores))


METRICS: dict[str, Callable[[Array, Array], float]] = {"accuracy": accuracy, "f1": f1}
"""By `Metric.name`. The one parameter is ``output``, the name of the logits."""


def compute(metric: Metric, logits: Array, labels: Array) -> float:
    """The metric of logits ``[rows, classes]`` against int64 labels ``[rows]``.

    Raises `UserError` if there is no metric of that name, or there are no rows.
    """
    function = METRICS.get(metric.name)
    if function is None:
        raise UserError(
            f"there is no metric {metric.name!r}", hint=f"There are {', '.join(METRICS)}."
        )
    if len(labels) == 0 or logits.ndim != 2 or len(logits) != len(labels):
        raise UserError(
            f"logits {logits.shape} do not go with labels {labels.shape}",
            hint="Give a row of logits for each label: [rows, classes].",
        )
    return function(logits, labels)


def output_name(metric: Metric) -> str:
    """The output that the metric looks at."""
    return str(metric.params.get("output", "logits"))


def score(
    dataset: Dataset,
    predict: Predict,
    role: Role = "tune",
    *,
    batch_size: int = 32,
    signature: Signature | None = None,
) -> float:
    """The dataset's metric of ``predict`` over a role; ``signature`` shapes the batches.

    Raises `UserError` if the dataset has no metric or no such rows, `PluginError` if
    ``predict`` does not give what the metric looks at.
    """
    metric = dataset.info.metric
    if metric is None:
        raise _nothing_to_score()
    name = output_name(metric)
    logits: list[Array] = []
    labels: list[Array] = []
    for batch in batches(dataset, role, batch_size=batch_size, signature=signature):
        if batch.labels is None:
            raise _nothing_to_score()
        outputs = predict(batch.inputs)
        if name not in outputs or len(outputs[name]) < len(batch.rows):
            shapes = {key: value.shape for key, value in outputs.items()}
            raise PluginError(f"predict gave {shapes} for {len(batch.rows)} rows, without {name!r}")
        logits.append(np.array(outputs[name][: len(batch.rows)], dtype=np.float64))
        labels.append(batch.labels)
    return compute(metric, np.concatenate(logits), np.concatenate(labels))


def _nothing_to_score() -> UserError:
    return UserError(
        "the dataset has no labels, so there is nothing to score",
        hint="Give a labelled file, and a model that classifies.",
    )
