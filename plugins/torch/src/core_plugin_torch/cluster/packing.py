"""Codes of a few bits, one after another in bytes, with no bit left out.

Eight codes of ``b`` bits take ``b`` bytes: code ``j`` of them has the bits from ``j · b`` on, the
lowest first, and so lies in one byte or in two neighbours.
"""

from __future__ import annotations

import torch
from torch import Tensor

TOGETHER = 8
"""Codes that fill whole bytes at any width."""


def pack(codes: Tensor, bits: int) -> Tensor:
    """uint8 ``[…, n]`` below ``2 ** bits`` to uint8 ``[…, ceil(n / 8) · bits]``."""
    *rows, count = codes.shape
    padded = torch.nn.functional.pad(codes, (0, -count % TOGETHER))
    # [..., groups, codes, bits]
    each = padded.reshape(*rows, -1, TOGETHER, 1) >> torch.arange(bits, dtype=torch.uint8)
    # [..., groups, bytes, bits]
    stream = (each & 1).reshape(*rows, -1, bits, 8) << torch.arange(8, dtype=torch.uint8)
    return stream.sum(-1, dtype=torch.uint8).reshape(*rows, -1)


def places(bits: int) -> tuple[Tensor, Tensor]:
    """Of eight codes: the byte that each begins in, and its lowest bit there; uint8 ``[8]``."""
    first = torch.arange(0, TOGETHER * bits, bits)
    return (first // 8).to(torch.uint8), (first % 8).to(torch.uint8)


def unpack(packed: Tensor, count: int, bits: int, byte: Tensor, low: Tensor) -> Tensor:
    """int64 ``[…, count]`` of what `pack` made of them; ``byte`` and ``low`` are `places`.

    Of torch's plain operators, and without a constant: a program of it has its tensors from
    outside.
    """
    *rows, size = packed.shape
    grouped = packed.to(torch.int32).reshape(*rows, size // bits, bits)
    begin = byte.to(torch.int64)
    # Where a code ends in its own byte, what comes from another one is cut off.
    here = grouped.index_select(-1, begin)
    after = grouped.index_select(-1, (begin + 1).clamp(max=bits - 1))
    codes = ((here | (after << 8)) >> low.to(torch.int32)) & ((1 << bits) - 1)
    return codes.reshape(*rows, -1)[..., :count].to(torch.int64)
