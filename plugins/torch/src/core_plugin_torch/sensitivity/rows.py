"""The rows that a model is judged on: rows of one length together, so that none is padded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
from torch import Tensor

from hwcore.contract import Array, Dataset, Role, Signature, UserError
from hwcore.data import batches

BATCH = 16
"""Rows that go through the model together, at most."""
MASK = "attention_mask"


@dataclass(frozen=True)
class Batch:
    """Rows of one length."""

    inputs: tuple[Tensor, ...]
    """As the signature has them, in its order."""
    labels: Array | None
    """Int64 ``[rows]``."""
    mask: Tensor | None
    """True ``[rows, tokens]`` where there is a token: a model may ask for a least length."""

    def masked(self, answer: Tensor) -> Tensor:
        """An answer ``[rows, tokens, width]`` with zeros where there is no token; others as is."""
        if self.mask is None or answer.ndim != 3 or answer.shape[:2] != self.mask.shape:
            return answer
        return answer * self.mask.unsqueeze(-1)


def read(data: Dataset, signature: Signature, limit: int) -> list[Batch]:
    """The first ``limit`` rows of the role ``tune``, or where that has none of ``calibration``.

    Raises `UserError` if there are neither.
    """
    roles: tuple[Role, ...] = ("tune", "calibration")
    role = next((role for role in roles if data.count(role)), None)
    if role is None:
        raise UserError(
            "sensitivity is judged on tune or calibration rows, and there are none",
            hint="Give data that is like the model's real inputs: --data.",
        )
    alike: dict[tuple[tuple[int, ...], ...], list[Batch]] = {}
    for row in batches(data, role, batch_size=1, limit=limit, signature=signature):
        inputs = tuple(torch.from_numpy(row.inputs[spec.name]) for spec in signature.inputs)
        mask = torch.from_numpy(row.inputs[MASK]).bool() if MASK in row.inputs else None
        shapes = tuple(tuple(tensor.shape) for tensor in inputs)
        alike.setdefault(shapes, []).append(Batch(inputs, row.labels, mask))
    return [
        _together(rows[begin : begin + BATCH])
        for rows in alike.values()
        for begin in range(0, len(rows), BATCH)
    ]


def labels(found: list[Batch]) -> Array | None:
    """Of all batches in order; ``None`` where rows have none."""
    if any(batch.labels is None for batch in found):
        return None
    return np.concatenate([cast(Array, batch.labels) for batch in found])


def _together(rows: list[Batch]) -> Batch:
    masks = [row.mask for row in rows if row.mask is not None]
    return Batch(
        inputs=tuple(
            torch.cat(column) for column in zip(*(row.inputs for row in rows), strict=True)
        ),
        labels=labels(rows),
        mask=torch.cat(masks) if masks else None,
    )
