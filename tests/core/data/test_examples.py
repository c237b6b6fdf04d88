"""Made-up inputs."""

from __future__ import annotations

from collections.abc import Callable

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwcore.contract import Artifact, Dim, Integers, Mask, Normal, Signature, TensorSpec, UserError
from hwcore.data import example_inputs
from hwcore.data.dtypes import numpy_dtype


def signature(*inputs: TensorSpec, dims: tuple[Dim, ...] = ()) -> Signature:
    return Signature(inputs=inputs, outputs=(), dims=dims)


TEXT = signature(
    TensorSpec(name="ids", dtype="int32", shape=("batch", "seq"), fill=Integers(low=5, high=9)),
    TensorSpec(name="mask", dtype="int64", shape=("batch", "seq"), fill=Mask()),
    dims=(Dim(name="batch"), Dim(name="seq", min=2, max=40, multiple_of=2)),
)


@given(st.integers(1, 5), st.integers(1, 20), st.integers(0, 99))
def test_fits_and_is_filled_as_asked(batch: int, half: int, seed: int) -> None:
    inputs = example_inputs(TEXT, {"batch": batch, "seq": 2 * half}, seed=seed)
    assert TEXT.bind(inputs) == {"batch": batch, "seq": 2 * half}
    assert set(np.unique(inputs["ids"])) <= {5, 6, 7, 8}
    mask = inputs["mask"]
    assert (np.diff(mask, axis=1) <= 0).all()  # ones, then zeros
    assert (mask[:, 0] == 1).all()
    assert mask[0].all()


def test_default_sizes() -> None:
    assert example_inputs(TEXT)["ids"].shape == (2, 16)
    dims = (Dim(name="a", min=3), Dim(name="b", max=7, multiple_of=3))
    odd = signature(TensorSpec(name="x", dtype="float32", shape=("a", "b", 4)), dims=dims)
    assert example_inputs(odd)["x"].shape == (3, 6, 4)


def test_the_seed_decides() -> None:
    first, again, other = (example_inputs(TEXT, {"seq": 40}, seed=seed) for seed in (0, 0, 1))
    assert all(np.array_equal(first[name], again[name]) for name in first)
    assert not np.array_equal(first["ids"], other["ids"])
    assert not np.array_equal(first["mask"], other["mask"])


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16", "int8", "uint8", "bool"])
def test_without_a_fill(dtype: str) -> None:
    found = example_inputs(signature(TensorSpec(name="x", dtype=dtype, shape=(64,))))["x"]
    assert str(found.dtype) == dtype
    spread = found.astype(np.float64).std()
    assert (0.5 < spread < 2) if "float" in dtype else spread == 0


def test_a_scalar_and_a_normal() -> None:
    spec = TensorSpec(name="x", dtype="float64", shape=(), fill=Normal(mean=100, std=0.1))
    assert abs(float(example_inputs(signature(spec))["x"]) - 100) < 1


@pytest.mark.parametrize(
    ("sizes", "why"),
    [
        ({"length": 3}, "there is no dimension 'length'"),
        ({"seq": 41}, "seq is 41, expected at least 2 and at most 40"),
        ({"seq": 3}, "seq is 3, expected a multiple of 2"),
    ],
)
def test_sizes_that_cannot_be(sizes: dict[str, int], why: str) -> None:
    with pytest.raises(UserError, match=why):
        example_inputs(TEXT, sizes)


def test_a_real_signature(tiny_source: Callable[..., Artifact]) -> None:
    for family in ("bert", "vit"):
        real = tiny_source(family).component().signature
        assert real.bind(example_inputs(real)) == (
            {"batch": 2, "sequence": 16} if family == "bert" else {"batch": 2}
        )


def test_dtypes() -> None:
    assert numpy_dtype("int64") == np.int64
    assert numpy_dtype("bfloat16") == ml_dtypes.bfloat16
    for name in ("float", "finfo", "int65", "O", "object "):
        with pytest.raises(UserError, match=f"'{name}' is not the name of a dtype"):
            numpy_dtype(name)
