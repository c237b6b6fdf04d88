"""What each linear layer of an encoder costs and weighs: the hook ``sensitivity``."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from acme_hwcore import plugin as acme

from acme_reference import weights as w
from acme_reference.engine import Stored
from hwcore.contract import (
    Array,
    Arrays,
    Artifact,
    Cancelled,
    Context,
    Dataset,
    LayerSensitivity,
    Sensitivity,
    Signature,
    Treatment,
    UserError,
)
from hwcore.data import batches

TASK = "feature-extraction"
ROWS = 4
TREATMENTS: tuple[Treatment, ...] = ("int8", "zeros-50", "zeros-90", "zeros-95")


class Timed(Stored):
    """An encoder that writes down how long its linear layers take."""

    def __init__(self, file: Path, signature: Signature) -> None:
        super().__init__(file, signature)
        self.seconds: dict[str, float] = {}

    @property
    def weights(self) -> w.Weights:
        """Those that it computes with: what is put there counts from the next call on."""
        return self._weights

    def _linear(self, name: str, x: Array) -> Array:
        began = time.perf_counter()
        made = super()._linear(name, x)
        spent = time.perf_counter() - began
        self.seconds[name] = self.seconds.get(name, 0.0) + spent
        return made


def measure(source: Artifact, data: Dataset, ctx: Context) -> Sensitivity:
    """Treat one layer at a time. Raises `UserError` for models that acme does not export."""
    if source.task != TASK:
        raise UserError(f"layers are treated in models for {TASK}", hint="Name such a model.")
    signature = source.component().signature
    rows = [
        batch.inputs
        for batch in batches(data, "calibration", batch_size=1, limit=ROWS, signature=signature)
    ]
    with tempfile.TemporaryDirectory() as folder:
        acme.export(source=source, options={}, out=Path(folder), ctx=ctx)
        encoder = Timed(Path(folder) / acme.FILE, signature)
    began = time.perf_counter()
    before = answers(encoder, rows)
    whole, seconds = time.perf_counter() - began, dict(encoder.seconds)
    found = []
    for number, (layer, spent) in enumerate(seconds.items()):
        ctx.progress(number / len(seconds), layer)
        original = encoder.weights[f"{layer}.weight"]
        after = {}
        for treatment in TREATMENTS:
            if ctx.cancelled():
                raise Cancelled("the measurement was stopped")
            encoder.weights[f"{layer}.weight"] = treated(original, treatment)
            after[treatment] = answers(encoder, rows)
        encoder.weights[f"{layer}.weight"] = original
        found.append(
            LayerSensitivity(
                name=layer,
                parameters=original.size + encoder.weights[f"{layer}.bias"].size,
                time_share=min(spent / whole, 1.0),
                loss={treatment: 1 - cosine(before, after[treatment]) for treatment in TREATMENTS},
                error={treatment: error(before, after[treatment]) for treatment in TREATMENTS},
            )
        )
    return Sensitivity(metric="cosine", baseline=1.0, rows=len(rows), layers=tuple(found))


def treated(weight: Array, treatment: Treatment) -> Array:
    """A matrix ``[outputs, inputs]`` in steps of int8, or without its smallest weights."""
    if treatment == "int8":
        name = "encoder.weight"
        made = w.rounded({name: weight}, 127)
        return made[name] * made[f"{name}.scale"]
    share = int(treatment.removeprefix("zeros-")) / 100
    order = np.argsort(np.abs(weight), axis=None, kind="stable")
    made = weight.copy()
    made.ravel()[order[: round(share * weight.size)]] = 0
    return made


def answers(encoder: Timed, rows: Sequence[Arrays]) -> list[Array]:
    """Of each row, float64, flat."""
    return [encoder(row)["last_hidden_state"].astype(np.float64).ravel() for row in rows]


def cosine(before: Sequence[Array], after: Sequence[Array]) -> float:
    """The mean over rows; 1 for what is equal."""
    found = [
        1.0 if np.array_equal(x, y) else float(x @ y / np.linalg.norm(x) / np.linalg.norm(y))
        for x, y in zip(before, after, strict=True)
    ]
    return sum(found) / len(found)


def error(before: Sequence[Array], after: Sequence[Array]) -> float:
    """The squared change of all rows, relative to their square."""
    pairs = list(zip(before, after, strict=True))
    return sum(float((x - y) @ (x - y)) for x, y in pairs) / sum(float(x @ x) for x, _ in pairs)
