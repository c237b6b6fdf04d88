"""Inputs that a runner is asked beside the cases: turned, at the bounds, and wrong ones."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from hwcore.contract import Array, Signature
from hwcore.data import near
from hwcore_conformance.sources import Case


def wrong_inputs(signature: Signature, case: Case) -> Iterator[tuple[str, str, dict[str, Array]]]:
    """What is wrong, a word that a refusal has to have, and the inputs."""
    right, last = case.inputs, signature.inputs[-1].name
    array = right[last]
    without = {name: a for name, a in right.items() if name != last}
    yield "a missing input", last, without
    yield "an unknown input", "hwcore_no_such_input", {**right, "hwcore_no_such_input": array}
    yield "another dtype", last, {**right, last: array.astype(np.float16)}
    yield "another rank", last, {**right, last: array[None]}
    yield "no rows", "batch", {name: a[:0] for name, a in right.items()}
    for dim in signature.dims:
        if dim.max is not None:
            sizes = smallest(signature, {dim.name: dim.max + dim.multiple_of})
            yield f"{dim.name} above its bound", dim.name, filled(signature, case, sizes)


def smallest(signature: Signature, chosen: dict[str, int]) -> dict[str, int]:
    """The least size of every dimension, but for those that are chosen."""
    return {dim.name: near(dim, 1) for dim in signature.dims} | chosen


def filled(signature: Signature, case: Case, sizes: dict[str, int]) -> dict[str, Array]:
    """Inputs of these sizes, of values that a case has."""
    arrays = {}
    for spec in signature.inputs:
        shape = tuple(sizes[n] if isinstance(n, str) else n for n in spec.shape)
        arrays[spec.name] = np.resize(case.inputs[spec.name], shape)
    return arrays


def turned(case: Case) -> dict[str, Array]:
    """Its rows, the last one first."""
    return {name: array[::-1].copy() for name, array in case.inputs.items()}


def rows_of(case: Case) -> int:
    """How many rows it has."""
    return len(next(iter(case.inputs.values())))
