"""Codes of every width go into bytes and come out again."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from core_plugin_torch.cluster.packing import pack, places, unpack


@given(st.integers(1, 8), st.integers(1, 5), st.integers(1, 40), st.integers(0, 99))
def test_there_and_back(bits: int, rows: int, count: int, seed: int) -> None:
    draw = torch.Generator().manual_seed(seed)
    codes = torch.randint(1 << bits, (rows, count), generator=draw, dtype=torch.uint8)
    packed = pack(codes, bits)
    assert packed.dtype == torch.uint8
    assert packed.shape == (rows, -(-count // 8) * bits)
    back = unpack(packed, count, bits, *places(bits))
    assert torch.equal(back, codes.long())
    # Rows are packed by themselves, and can be looked up before they are unpacked.
    assert torch.equal(unpack(packed[:1], count, bits, *places(bits)), codes[:1].long())


@pytest.mark.parametrize(
    ("bits", "codes", "expected"),
    [
        # From the right: 001, 010, two bits of 011 and its third, 100, 101, one bit of 110 …
        (3, [1, 2, 3, 4, 5, 6, 7, 0], [0b11_010_001, 0b0_101_100_0, 0b000_111_11]),
        (4, [1, 2, 15, 0, 0, 0, 0, 9], [0x21, 0x0F, 0x00, 0x90]),
        (8, [*range(250, 256), 0, 1], [*range(250, 256), 0, 1]),
        (2, [3], [3, 0]),
    ],
)
def test_the_bits_are_where_they_are_said_to_be(
    bits: int, codes: list[int], expected: list[int]
) -> None:
    packed = pack(torch.tensor(codes, dtype=torch.uint8), bits)
    assert packed.tolist() == expected
