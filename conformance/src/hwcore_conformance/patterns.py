"""Where zeros have to be, for each name of a sparsity pattern."""

from __future__ import annotations

import re

import numpy as np

from hwcore.contract import Array

_PATTERN = re.compile(r"(\d+)([:x])(\d+)")


def keeps(values: Array, pattern: str) -> bool | None:
    """Whether the zeros of a weight matrix follow the pattern; ``None`` for an unknown one.

    ``values`` is ``[outputs, inputs]``. ``N:M``: of M neighbours along the inputs at most N are
    not zero. ``RxC``: blocks of R rows and C columns are zero or not as a whole. A matrix
    without any zeros was left out by the step, and keeps every pattern.
    """
    if pattern == "unstructured" or values.all():
        return True
    found = _PATTERN.fullmatch(pattern)
    if found is None:
        return None
    first, second = int(found[1]), int(found[3])
    rows, columns = values.shape
    if found[2] == ":":
        if columns % second:
            return False
        groups = values.reshape(rows, columns // second, second)
        return bool((np.count_nonzero(groups, axis=-1) <= first).all())
    if rows % first or columns % second:
        return False
    blocks = values.reshape(rows // first, first, columns // second, second)
    filled = np.count_nonzero(blocks, axis=(1, 3))
    # A block may hold a zero by chance; one that is half empty was not pruned as a whole.
    return bool(((filled == 0) | (filled > first * second // 2)).all())
