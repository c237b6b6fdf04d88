"""Sizes that a signature allows."""

from __future__ import annotations

from hwcore.contract import Dim, UserError


def fit(dim: Dim, size: int) -> int:
    """The smallest allowed size that holds ``size``. Raises `UserError` if there is none."""
    step = dim.multiple_of
    fitted = -(-max(size, dim.min) // step) * step
    if dim.max is not None and fitted > dim.max:
        raise UserError(
            f"{dim.name} is {size}, the model takes at most {dim.max // step * step}",
            hint="Use shorter inputs: a smaller max_length, or a smaller batch.",
        )
    return fitted


def near(dim: Dim, size: int) -> int:
    """The allowed size closest to ``size``: rounded up, but never above the maximum."""
    if dim.max is not None:
        size = min(size, dim.max // dim.multiple_of * dim.multiple_of)
    return fit(dim, size)
