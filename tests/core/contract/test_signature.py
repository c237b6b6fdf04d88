"""What a signature accepts, and how it says what it does not."""

from __future__ import annotations

from typing import Any

import numpy as np
import parts
import pytest
from pydantic import TypeAdapter, ValidationError

from hwcore.contract import (
    Array,
    Dim,
    Fill,
    Integers,
    Mask,
    Normal,
    Signature,
    TensorSpec,
    UserError,
)

SIGNATURE = Signature(
    inputs=(
        TensorSpec(name="ids", dtype="int64", shape=("batch", "sequence")),
        TensorSpec(name="mask", dtype="int64", shape=("batch", "sequence")),
        TensorSpec(name="pixels", dtype="float32", shape=("batch", 3)),
    ),
    outputs=(TensorSpec(name="y", dtype="float32", shape=("batch",)),),
    dims=(Dim(name="batch"), Dim(name="sequence", min=2, max=16, multiple_of=2)),
)


def inputs(batch: int = 2, sequence: int = 4, **changes: Array | None) -> dict[str, Any]:
    arrays: dict[str, Any] = {
        "ids": np.zeros((batch, sequence), np.int64),
        "mask": np.zeros((batch, sequence), np.int64),
        "pixels": np.zeros((batch, 3), np.float32),
    }
    return {name: array for name, array in (arrays | changes).items() if array is not None}


def test_bind_gives_the_size_of_each_symbolic_dimension() -> None:
    assert SIGNATURE.bind(inputs(5, 6)) == {"batch": 5, "sequence": 6}


LONG = np.zeros((2, 4), np.int64)
FIT = "Pad or cut the inputs to fit."

REFUSED: dict[str, tuple[dict[str, Any], str, str]] = {
    "missing": (
        inputs(mask=None),
        "input 'mask' is missing",
        "This model takes ids, mask, pixels.",
    ),
    "unexpected": (
        inputs(extra=LONG),
        "input 'extra' is unexpected",
        "This model takes ids, mask, pixels.",
    ),
    "dtype": (
        inputs(ids=LONG.astype(np.int32)),
        "input 'ids' has dtype int32, expected int64",
        "Convert it: ids.astype('int64').",
    ),
    "rank": (
        inputs(ids=np.zeros(4, np.int64)),
        "input 'ids' has shape (4,), expected (batch, sequence)",
        "Inputs are batches: a single row is array[None].",
    ),
    "fixed size": (
        inputs(pixels=np.zeros((2, 4), np.float32)),
        "input 'pixels' has shape (2, 4), expected (batch, 3)",
        "Pad, cut or resize the input to that shape.",
    ),
    "disagreement": (
        inputs(mask=np.zeros((2, 6), np.int64)),
        "input 'mask' has sequence 6, but an input before it has 4",
        "Pad all inputs of a call to equal sizes.",
    ),
    "empty": (inputs(0, 4), "batch is 0, expected at least 1", FIT),
    "short": (inputs(1, 0), "sequence is 0, expected at least 2 and at most 16", FIT),
    "long": (inputs(1, 18), "sequence is 18, expected at least 2 and at most 16", FIT),
    "odd": (inputs(1, 5), "sequence is 5, expected a multiple of 2", "Pad the inputs to fit."),
}


@pytest.mark.parametrize("case", REFUSED)
def test_bind_names_what_does_not_fit(case: str) -> None:
    arrays, message, hint = REFUSED[case]
    with pytest.raises(UserError) as caught:
        SIGNATURE.bind(arrays)
    assert caught.value.message == message
    assert caught.value.hint == hint


def test_dimensions_are_found_by_name() -> None:
    assert SIGNATURE.dim("sequence").max == 16
    with pytest.raises(KeyError, match="height"):
        parts.text_signature().dim("height")


def test_a_dimension_that_holds_nothing_is_refused() -> None:
    with pytest.raises(ValidationError, match="dimension batch: max 1 is below min 2"):
        Dim(name="batch", min=2, max=1)
    with pytest.raises(ValidationError, match="dimension length: no multiple of 8 from 9 to 15"):
        Dim(name="length", min=9, max=15, multiple_of=8)
    assert Dim(name="length", min=9, max=16, multiple_of=8).max == 16


def test_a_signature_declares_each_name_once_and_every_dimension() -> None:
    x = TensorSpec(name="x", dtype="float32", shape=("batch",))
    batch = Dim(name="batch")
    with pytest.raises(ValidationError, match="two inputs share a name: x, x"):
        Signature(inputs=(x, x), outputs=(), dims=(batch,))
    with pytest.raises(ValidationError, match="two outputs share a name: x, x"):
        Signature(inputs=(), outputs=(x, x), dims=(batch,))
    with pytest.raises(ValidationError, match="two dimensions share a name"):
        Signature(inputs=(x,), outputs=(), dims=(batch, batch))
    with pytest.raises(ValidationError, match="x uses dimension 'batch', which is not declared"):
        Signature(inputs=(x,), outputs=())


@pytest.mark.parametrize("fill", [Integers(low=1, high=5), Mask(), Normal(mean=0.5, std=0.1)])
def test_fills_are_told_apart_by_their_kind(fill: Integers | Mask | Normal) -> None:
    adapter: TypeAdapter[Integers | Mask | Normal] = TypeAdapter(Fill)
    again = adapter.validate_json(adapter.dump_json(fill))
    assert type(again) is type(fill)
    assert again == fill


def test_a_fill_of_an_unknown_kind_is_refused() -> None:
    with pytest.raises(ValidationError, match="'integers', 'mask', 'normal'"):
        TensorSpec.model_validate(
            {"name": "x", "dtype": "float32", "shape": [1], "fill": {"kind": "zeros"}}
        )
