"""Padding and batching."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwcore.contract import Column, Dim, Signature, TensorSpec, UserError
from hwcore.data import collate

IDS = Column(dtype="int64", shape=(None,), pad=7)
MASK = Column(dtype="int64", shape=(None,), pad=0)
rows_of_ids = st.lists(st.lists(st.integers(0, 99), max_size=12), min_size=1, max_size=6)


def signature(batch: int | Dim, length: int | Dim, dtype: str = "int64") -> Signature:
    dims = tuple(dim for dim in (batch, length) if isinstance(dim, Dim))
    shape = tuple(dim.name if isinstance(dim, Dim) else dim for dim in (batch, length))
    specs = (TensorSpec(name="ids", dtype=dtype, shape=shape),)
    return Signature(inputs=specs, outputs=(), dims=dims)


@given(rows_of_ids, st.integers(1, 8), st.integers(1, 4), st.integers(1, 4))
def test_padding_changes_no_row(
    rows: list[list[int]], step: int, least: int, batch_step: int
) -> None:
    wanted = signature(
        Dim(name="b", multiple_of=batch_step), Dim(name="n", min=least, multiple_of=step), "int32"
    )
    batch = collate({"ids": rows}, {"ids": IDS}, wanted)["ids"]
    wanted.bind({"ids": batch})
    for found, row in zip(batch, rows, strict=False):
        assert found[: len(row)].tolist() == row
        assert (found[len(row) :] == 7).all()
    assert (batch[len(rows) :] == batch[len(rows) - 1]).all()
    assert batch.shape[1] < max(least, *map(len, rows), 1) + step
    assert batch.shape[0] < len(rows) + batch_step


@given(rows_of_ids)
def test_without_a_signature_the_longest_row_decides(rows: list[list[int]]) -> None:
    masks = [[1] * len(row) for row in rows]
    found = collate({"ids": rows, "mask": masks}, {"ids": IDS, "mask": MASK})
    assert found["ids"].shape == found["mask"].shape == (len(rows), max(map(len, rows)))
    assert found["mask"].sum(axis=1).tolist() == [len(row) for row in rows]


def test_only_what_the_model_takes_is_given() -> None:
    found = collate({"ids": [[1]], "mask": [[1]]}, {"ids": IDS, "mask": MASK}, signature(1, 3))
    assert {name: array.tolist() for name, array in found.items()} == {"ids": [[1, 7, 7]]}


def test_inputs_that_share_a_dimension_share_its_size() -> None:
    shape = ("b", "n")
    both = Signature(
        inputs=tuple(TensorSpec(name=name, dtype="int64", shape=shape) for name in ("ids", "mask")),
        outputs=(),
        dims=(Dim(name="b"), Dim(name="n")),
    )
    for rows in ({"ids": [[1]], "mask": [[1, 1, 1]]}, {"ids": [[1, 2, 3]], "mask": [[1]]}):
        assert both.bind(collate(rows, {"ids": IDS, "mask": MASK}, both)) == {"b": 1, "n": 3}


def test_fixed_columns_and_narrow_dtypes() -> None:
    pixels = Column(dtype="float32", shape=(2, 2))
    spec = TensorSpec(name="x", dtype="bfloat16", shape=("b", 2, 2))
    wanted = Signature(inputs=(spec,), outputs=(), dims=(Dim(name="b"),))
    found = collate({"x": [np.full((2, 2), 0.5, np.float32)] * 3}, {"x": pixels}, wanted)["x"]
    assert str(found.dtype) == "bfloat16"
    assert found.shape == (3, 2, 2)
    assert (found == 0.5).all()


@pytest.mark.parametrize(
    ("wanted", "why"),
    [
        (signature(Dim(name="b"), Dim(name="n", max=2)), "n is 3, the model takes at most 2"),
        (signature(Dim(name="b"), Dim(name="n", max=5, multiple_of=2)), "at most 4"),
        (signature(Dim(name="b"), 2), "a row is 3 long on axis 1, the model takes 2"),
        (signature(1, Dim(name="n")), "2 rows do not fit the model's batch of 1"),
    ],
)
def test_rows_that_do_not_fit(wanted: Signature, why: str) -> None:
    rows = [[1, 2, 3], [1]] if "batch" in why else [[1, 2, 3]]
    if "at most 4" in why:
        rows = [[1, 2, 3, 4, 5]]
    with pytest.raises(UserError, match=why):
        collate({"ids": rows}, {"ids": IDS}, wanted)


def test_columns_that_do_not_fit() -> None:
    with pytest.raises(UserError, match="no column for the model's input 'ids'") as caught:
        collate({"mask": [[1]]}, {"mask": MASK}, signature(1, 1))
    assert caught.value.hint == "It has mask; was it made for another model?"
    with pytest.raises(UserError, match="column 'ids' has 3 dimensions with the batch, the model"):
        collate({"ids": [[[1]]]}, {"ids": Column(dtype="int64", shape=(1, 1))}, signature(1, 1))


def test_an_image_is_never_padded() -> None:
    column = Column(dtype="int64", shape=(2,))
    with pytest.raises(UserError, match="a row is 2 long on axis 1, the model takes 3"):
        collate({"ids": [[1, 2]]}, {"ids": column}, signature(1, 3))
