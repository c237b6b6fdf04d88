"""What a candidate answers on the held-out rows, and how that compares with the reference."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from hwcore.contract import (
    Array,
    Arrays,
    Column,
    Dataset,
    Metric,
    PluginError,
    Role,
    Runner,
    Signature,
    UserError,
    Value,
)
from hwcore.data import Batch, batches, collate, compute, correct, example_inputs
from hwcore.data.shapes import near
from hwcore.data.words import counted
from hwcore.evaluate.answers import Answers
from hwcore.evaluate.bounds import mean_bound, paired_bound, resampled_bound

MADE_UP_ROWS, LENGTHS = 300, 32
"""Rows of made-up inputs, where the user gave no data at all, and how many lengths they have.

As many rows as can prove the default tolerance for a model that changes nothing."""

MOST_COSINE_DROP = 2.0
"""From a cosine of 1 to one of -1: what has no other bound has this one."""


class Quality(Value):
    """How good a candidate's answers are. ``drop`` is the reference's value less its own."""

    metric: str
    value: float
    reference: float
    drop: float
    drop_bound: float
    """One-sided 95 % upper bound of the drop: this is what a tolerance is held against."""
    rows: int
    cosine: float
    """Mean over rows of the cosine between outputs and the reference's."""
    max_error: float
    """Largest absolute difference of one output element."""
    changed: int | None = None
    """Rows whose top-1 answer differs from the reference's; ``None`` where there is no top-1."""


def answers(
    runner: Runner,
    data: Dataset | None,
    *,
    like: Signature | None = None,
    role: Role = "test",
    limit: int | None = None,
    batch_size: int = 1,
    progress: Callable[[float], None] | None = None,
) -> Answers:
    """Run a model over a role of the dataset, or over made-up inputs without one.

    Made-up inputs are drawn from ``like``, the original's signature (the runner's own by
    default), so that they are the same for every model; each is then padded to what the model
    at hand takes. Padding is cut off again: what a model computes there is nobody's answer.

    Raises `UserError` for a model of several outputs: a drop is that of one, and no model that
    hwcore reads has more. (A lossless step is compared with its parent in all of them.)
    """
    names = [spec.name for spec in runner.signature.outputs]
    if len(names) > 1:
        raise UserError(
            f"the model has several outputs, {', '.join(names)}, and is judged by one",
            hint="Export it with that output alone.",
        )
    outputs: list[Array] = []
    labels: list[Array] = []
    [name] = names
    total = MADE_UP_ROWS if data is None else data.count(role)
    total = min(total, limit) if limit is not None else total
    if data is None:
        found = _made_up(like or runner.signature, runner.signature, total)
    else:
        found = batches(data, role, batch_size=batch_size, limit=total, signature=runner.signature)
    for batch in found:
        result = np.asarray(runner(batch.inputs, [name])[name])
        # A model of a fixed batch size was given rows that only fill it up.
        outputs += _rows(result, batch.inputs)[: len(batch.rows)]
        if batch.labels is not None:
            labels.append(batch.labels)
        if progress is not None:
            progress(len(outputs) / total)
    return Answers(outputs, np.concatenate(labels) if labels else None)


def _made_up(like: Signature, signature: Signature, rows: int) -> Iterator[Batch]:
    """One row at a time, each of another length."""
    columns = {
        spec.name: Column(dtype=spec.dtype, shape=(None,) * (len(spec.shape) - 1))
        for spec in like.inputs
    }
    for row in range(rows):
        sizes = {
            dim.name: near(dim, 1 if dim.name == "batch" else 8 + 4 * (row % LENGTHS))
            for dim in like.dims
        }
        drawn = example_inputs(like, sizes, seed=row)
        inputs = collate(
            {name: list(array[:1]) for name, array in drawn.items()}, columns, signature
        )
        yield Batch(inputs, None, np.array([row]))


def _rows(result: Array, inputs: Arrays) -> list[Array]:
    mask = inputs.get("attention_mask")
    sequences = result.ndim == 3 and mask is not None and result.shape[:2] == mask.shape
    if not sequences or mask is None:
        return list(result)
    return [row[keep.astype(bool)] for row, keep in zip(result, mask, strict=True)]


def judge(candidate: Answers, reference: Answers, metric: Metric | None) -> Quality:
    """Compare paired rows: with labels by the metric, without by agreement with the reference.

    Raises `PluginError` when the answers are not of the reference's shapes.
    """
    _check_paired(candidate, reference)
    rows = len(reference.outputs)
    if not (candidate.finite and reference.finite):
        # NaN compares as neither right nor wrong; a model that says it is wrong everywhere.
        return Quality(
            metric=metric.name if metric else "agreement",
            value=0.0,
            reference=1.0,
            drop=1.0,
            drop_bound=1.0,
            rows=rows,
            cosine=0.0,
            max_error=float(np.finfo(np.float64).max),
            changed=rows,
        )
    pairs = list(zip(reference.outputs, candidate.outputs, strict=True))
    cosines = np.array([_cosine(a, b) for a, b in pairs])
    shared = {
        "rows": rows,
        "cosine": float(cosines.mean()),
        "max_error": max(float(np.abs(a.astype(np.float64) - b).max()) for a, b in pairs),
    }
    if not reference.flat:
        drops = 1 - cosines
        drop = float(drops.mean())
        return Quality(
            metric="cosine",
            value=1 - drop,
            reference=1.0,
            drop=drop,
            drop_bound=min(mean_bound(drops), MOST_COSINE_DROP),
            **shared,
        )
    before, after = reference.stacked, candidate.stacked
    changed = int((before.argmax(-1) != after.argmax(-1)).sum())
    if metric is None or reference.labels is None:
        return Quality(
            metric="agreement",
            value=1 - changed / rows,
            reference=1.0,
            drop=changed / rows,
            drop_bound=paired_bound(changed, 0, rows),
            changed=changed,
            **shared,
        )
    labels = reference.labels
    was = compute(metric, before, labels)
    now = compute(metric, after, labels)
    if metric.name == "accuracy":
        right_before = correct(before, labels)
        right_after = correct(after, labels)
        bound = paired_bound(
            int((right_before & ~right_after).sum()),
            int((~right_before & right_after).sum()),
            rows,
        )
    else:

        def drop_of(index: Array) -> float:
            return compute(metric, before[index], labels[index]) - compute(
                metric, after[index], labels[index]
            )

        bound = resampled_bound(drop_of, rows)
    return Quality(
        metric=metric.name,
        value=now,
        reference=was,
        drop=was - now,
        drop_bound=bound,
        changed=changed,
        **shared,
    )


def _check_paired(candidate: Answers, reference: Answers) -> None:
    if len(candidate.outputs) != len(reference.outputs):
        raise PluginError(
            f"it gave {counted(len(candidate.outputs), 'answer')}, its reference "
            f"{len(reference.outputs)}"
        )
    for mine, theirs in zip(candidate.outputs, reference.outputs, strict=True):
        if mine.shape != theirs.shape:
            raise PluginError(
                f"it gave answers of shape {mine.shape}, its reference {theirs.shape}"
            )


def _cosine(a: Array, b: Array) -> float:
    x, y = a.astype(np.float64).ravel(), b.astype(np.float64).ravel()
    norm = float(np.linalg.norm(x) * np.linalg.norm(y))
    return float(x @ y) / norm if norm else float(np.array_equal(x, y))
