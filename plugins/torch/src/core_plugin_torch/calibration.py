"""Calibration rows as a model's inputs."""

from __future__ import annotations

import torch
from torch import Tensor

from hwcore.contract import Artifact, Dataset
from hwcore.data import batches

BATCH = 8
"""Rows that go through the model together, at most."""


def rows(source: Artifact, data: Dataset, limit: int) -> list[list[Tensor]]:
    """Up to ``limit`` rows, without padding: batches are of one length each."""
    signature = source.component().signature
    names = [spec.name for spec in signature.inputs]
    alike: dict[tuple[torch.Size, ...], list[list[Tensor]]] = {}
    for batch in batches(data, "calibration", batch_size=1, limit=limit, signature=signature):
        row = [torch.from_numpy(batch.inputs[name]) for name in names]
        alike.setdefault(tuple(tensor.shape for tensor in row), []).append(row)
    return [
        [torch.cat(column) for column in zip(*found[begin : begin + BATCH], strict=True)]
        for found in alike.values()
        for begin in range(0, len(found), BATCH)
    ]
