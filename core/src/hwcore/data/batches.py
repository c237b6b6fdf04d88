"""Batches of a dataset's rows, padded the way a model takes them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from hwcore.contract import Array, Dataset, Role, Signature, UserError
from hwcore.data.collate import collate
from hwcore.data.rows import open_rows


@dataclass(frozen=True, eq=False)
class Batch:
    """Some rows. ``inputs`` may hold more than ``len(rows)``, see `collate`."""

    inputs: dict[str, Array]
    labels: Array | None
    """Int64 class ids ``[rows]``."""
    rows: Array
    """Int64 ``[rows]``: where each row stood in the user's data, from 0."""


def batches(
    dataset: Dataset,
    role: Role,
    *,
    batch_size: int,
    limit: int | None = None,
    signature: Signature | None = None,
) -> Iterator[Batch]:
    """The first ``limit`` rows of a role (all by default), ``batch_size`` at a time, in order.

    The last batch may be smaller. Padding is `collate`'s. Raises `UserError` if the role is
    not there or the rows do not fit the signature.
    """
    if batch_size < 1:
        raise UserError(
            f"batch_size is {batch_size}, expected at least 1", hint="1 is a row at a time."
        )
    rows = open_rows(dataset, role)
    stop = len(rows) if limit is None else min(limit, len(rows))
    for begin in range(0, stop, batch_size):
        chosen = range(begin, min(begin + batch_size, stop))
        part = slice(chosen.start, chosen.stop)
        yield Batch(
            inputs=collate(
                {name: [column[i] for i in chosen] for name, column in rows.inputs.items()},
                dataset.info.columns,
                signature,
            ),
            labels=None if rows.labels is None else rows.labels[part].copy(),
            rows=rows.ids[part].copy(),
        )
