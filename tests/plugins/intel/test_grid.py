"""Weights on a grid, against cases that can be done by hand."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from core_plugin_intel import grid


def test_a_symmetric_grid_has_its_zero_in_the_middle() -> None:
    weight = torch.tensor([[-7.0, -2.0, 0.0, 3.4]])
    made = grid.nearest(weight, *grid.ranges(weight, 4, symmetric=True))
    assert made.codes.tolist() == [[1, 6, 8, 11]]
    assert made.values().tolist() == [[-7.0, -2.0, 0.0, 3.0]]


def test_an_asymmetric_grid_goes_from_least_to_largest() -> None:
    weight = torch.tensor([[-5.0, 0.0, 4.0, 10.0]])
    scale, zero = grid.ranges(weight, 4, symmetric=False)
    assert (scale.tolist(), zero.tolist()) == ([[1.0]], [[5.0]])
    assert grid.nearest(weight, scale, zero).values().tolist() == weight.tolist()


def test_each_group_has_its_own() -> None:
    weight = torch.tensor([[7.0, 7.0, 70.0, 70.0], [0.0, 0.0, -7.0, 7.0]])
    scale, zero = grid.ranges(weight, 2, symmetric=True)
    assert scale.tolist() == [[1.0, 10.0], [1.0, 1.0]]  # zeros have no range, and get 1
    assert grid.nearest(weight, scale, zero).values().tolist() == weight.tolist()


@given(st.booleans(), st.integers(0, 2**32 - 1))
def test_no_weight_moves_by_more_than_half_a_step_and_zeros_not_at_all(
    symmetric: bool, seed: int
) -> None:
    made = torch.Generator().manual_seed(seed)
    weight = torch.randn(6, 16, generator=made) * torch.rand(6, 1, generator=made)
    weight[:, ::3] = 0
    scale, zero = grid.ranges(weight, 8, symmetric)
    values = grid.nearest(weight, scale, zero).values()
    steps = scale.repeat_interleave(8, dim=1)
    # The zero point is rounded, too: values at an end of the range may be a step away.
    assert ((values - weight).abs() <= (0.5 if symmetric else 1.0) * steps + 1e-6).all()
    assert (values[:, ::3] == 0).all()


def test_packing_is_undone_by_unpacking() -> None:
    codes = torch.arange(32, dtype=torch.uint8).reshape(2, 16) % 16
    packed = grid.pack(codes)
    assert packed.shape == (2, 8)
    assert packed[0, 0] == 0x10
    assert torch.equal(grid.unpack(packed), codes)


def test_int8_rows_use_the_whole_range() -> None:
    codes, scale = grid.symmetric_int8(torch.tensor([[254.0, -127.0], [0.0, 0.0]]))
    assert codes.tolist() == [[127, -64], [0, 0]]
    assert scale.tolist() == [[2.0], [1.0]]


@pytest.mark.parametrize("symmetric", [True, False])
def test_what_is_stored_is_float32_and_contiguous(symmetric: bool) -> None:
    weight = torch.randn(4, 16)
    made = grid.nearest(weight, *grid.ranges(weight, 8, symmetric))
    assert (made.codes.dtype, made.scale.dtype, made.zero.dtype) == (
        torch.uint8,
        torch.float32,
        torch.float32,
    )
