"""Workloads: the inputs that candidates are timed on, the same for all of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from hwcore.contract import Array, Arrays, Dataset, Dim, Role, Signature, UserError
from hwcore.data import batches, example_inputs
from hwcore.data.shapes import near

DRAWN = 64
"""Batches drawn from the data, cycled through: enough for its lengths to be represented."""
DEFAULT_LENGTH = 128


class Workload(NamedTuple):
    """Inputs of one batch size. ``length`` is 0 where it is the data's own, or there is none."""

    name: str
    batch: int
    length: int
    inputs: tuple[Arrays, ...]


def workloads(
    signature: Signature,
    data: Dataset | None,
    *,
    batch_sizes: Sequence[int] = (1, 8),
    length: int | None = None,
    seed: int = 0,
) -> list[Workload]:
    """One workload per batch size.

    Lengths are the data's own, in its order, or ``length`` for all; without data, made-up
    inputs of `DEFAULT_LENGTH`, or what the model takes that is nearest to it. Models without a
    symbolic dimension but the batch have no length. Raises `UserError` as `check_length` does.
    """
    check_length(signature, length)
    role = drawn_role(data)
    stretches = bool(_lengths(signature))
    made: list[Workload] = []
    for batch in batch_sizes:
        if data is not None and role is not None and not (length and stretches):
            found = batches(data, role, batch_size=batch, limit=DRAWN * batch, signature=signature)
            # A last batch of fewer rows would be timed as if it were whole.
            whole = [b.inputs for b in found if len(b.rows) == batch]
            inputs = tuple(whole) or (_tiled(data, role, batch, signature),)
            made.append(Workload(_name(batch, 0), batch, 0, inputs))
        else:
            wanted = length or DEFAULT_LENGTH
            sizes = {
                dim.name: batch if dim.name == "batch" else near(dim, wanted)
                for dim in signature.dims
            }
            size = max((size for name, size in sizes.items() if name != "batch"), default=0)
            full = _unpadded(example_inputs(signature, sizes, seed=seed))
            made.append(Workload(_name(batch, size), batch, size, (full,)))
    return made


def check_length(signature: Signature, length: int | None) -> None:
    """Raise `UserError` for a length that the model does not take, saying which it does."""
    for dim in _lengths(signature):
        step = dim.multiple_of
        if length is None or near(dim, length) == length:
            continue
        least = near(dim, 1)
        most = "" if dim.max is None else f" and at most {dim.max // step * step}"
        steps = "" if step == 1 else f", in steps of {step}"
        raise UserError(
            f"the length {length} is asked for, and the model takes at least {least}{most}{steps}",
            hint=f"Ask for --length {near(dim, length)}, say.",
        )


def _lengths(signature: Signature) -> list[Dim]:
    """The dimensions that a length is given to."""
    return [dim for dim in signature.dims if dim.name != "batch"]


def drawn_role(data: Dataset | None) -> Role | None:
    """Where inputs to time are drawn from: rows that judge nothing, where there are any."""
    roles: tuple[Role, ...] = ("tune", "calibration", "test")
    return next((role for role in roles if data is not None and data.count(role)), None)


def _name(batch: int, length: int) -> str:
    return f"batch {batch}, {length} tokens" if length else f"batch {batch}"


def _unpadded(inputs: dict[str, Array]) -> dict[str, Array]:
    """A fixed length means that many real tokens."""
    if "attention_mask" in inputs:
        inputs["attention_mask"] = np.ones_like(inputs["attention_mask"])
    return inputs


def _tiled(data: Dataset, role: Role, batch: int, signature: Signature) -> Arrays:
    """One batch made of fewer rows than it has places, repeated."""
    few = next(iter(batches(data, role, batch_size=batch, signature=signature)))
    return {name: np.resize(array, (batch, *array.shape[1:])) for name, array in few.inputs.items()}
