"""Calibration rows as tensors, one at a time, and a step that can be watched and stopped."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from hwcore.contract import Artifact, Cancelled, Context, Dataset, UserError
from hwcore.data import batches

Row = tuple[torch.Tensor, ...]
"""A batch of one, in the order of the signature's inputs; without padding."""
LEAST = 8
"""Fewest rows to calibrate with, as in the manifest, which names the ``tune`` rows for tuning."""


class Rows:
    """The first rows of the role ``calibration``, to be gone through as often as one likes.

    Raises `UserError` if there are fewer than `LEAST`: Neural Compressor would go on without any,
    with the scale 1.
    """

    def __init__(self, source: Artifact, data: Dataset | None, limit: int, ctx: Context) -> None:
        found = 0 if data is None else data.count("calibration")
        if data is None or found < LEAST:
            raise UserError(
                f"this takes at least {LEAST} calibration rows, and there are {found}",
                hint="Give data that is like the model's real inputs: --data.",
            )
        self._data = data
        self._signature = source.component().signature
        self._count = min(limit, found)
        self._ctx = ctx

    def __len__(self) -> int:
        return self._count

    def between(self, begin: float, end: float, message: str) -> Iterator[Row]:
        """The rows; progress goes from ``begin`` to ``end`` as they are used.

        Raises `Cancelled` between two of them.
        """
        names = [spec.name for spec in self._signature.inputs]
        for done, batch in enumerate(
            batches(
                self._data,
                "calibration",
                batch_size=1,
                limit=self._count,
                signature=self._signature,
            )
        ):
            phase(self._ctx, begin + (end - begin) * done / self._count, message)
            yield tuple(torch.from_numpy(batch.inputs[name]) for name in names)


def phase(ctx: Context, fraction: float, message: str) -> None:
    """Say how far the step is. Raises `Cancelled` if it should go no further."""
    go_on(ctx)
    ctx.progress(fraction, message)


def go_on(ctx: Context) -> None:
    """Raises `Cancelled` if the step should go no further."""
    if ctx.cancelled():
        raise Cancelled("quantization was stopped")
