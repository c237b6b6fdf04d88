"""Dtypes by name: numpy's, and the narrow ones of ml_dtypes (``bfloat16``, ``float8_e4m3fn`` …)."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from hwcore.contract import UserError


@cache
def numpy_dtype(name: str) -> np.dtype[Any]:
    """The dtype of that name. Raises `UserError` if neither library knows it."""
    import ml_dtypes

    try:
        dtype = np.dtype(getattr(ml_dtypes, name, name))
    except TypeError:
        dtype = None
    if dtype is None or dtype.name != name:
        raise UserError(f"{name!r} is not the name of a dtype", hint="Names are like 'float32'.")
    return dtype
