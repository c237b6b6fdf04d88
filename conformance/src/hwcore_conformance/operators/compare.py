"""What ONNX's own test suite asks of an answer."""

from __future__ import annotations

from collections.abc import Mapping

import ml_dtypes
import numpy as np

from hwcore.contract import Array

BFLOAT16_RTOL = 2.0**-6
"""Two units in the last place: the relative tolerance of bfloat16, where it is the larger one.

Source: ``onnx.backend.test.runner.Runner.assert_similar_outputs`` (onnx 1.23)."""


def difference(
    expected: Mapping[str, Array], actual: Mapping[str, Array], rtol: float, atol: float
) -> str | None:
    """What is wrong with named outputs, in a few words; ``None`` when nothing is.

    Shapes and dtypes must be equal, and numbers to within ``atol + rtol * abs(expected)``, NaN
    where NaN is expected.
    """
    for name, reference in expected.items():
        found = _wrong(reference, actual[name], rtol, atol)
        if found is not None:
            return f"{name}: {found}"
    return None


def _wrong(expected: Array, actual: Array, rtol: float, atol: float) -> str | None:
    if actual.shape != expected.shape:
        return f"shape {actual.shape}, expected {expected.shape}"
    if actual.dtype != expected.dtype:
        return f"dtype {actual.dtype}, expected {expected.dtype}"
    if expected.dtype.name == "bfloat16":
        rtol = max(rtol, BFLOAT16_RTOL)
    left, right = _wide(actual), _wide(expected)
    with np.errstate(all="ignore"):
        close = np.isclose(left, right, rtol, atol, equal_nan=True)
        if close.all():
            return None
        wrong = ~close
        count = f"{int(wrong.sum())} of {wrong.size} numbers differ"
        if left.dtype == np.bool_:
            return count
        wide = np.complex128 if left.dtype.kind == "c" else np.float64
        error = np.abs(left[wrong].astype(wide) - right[wrong].astype(wide)).max()
    return f"{count}, by up to {error:.3g}"


def _wide(array: Array) -> Array:
    """Numbers of ml_dtypes as float32, which holds all of them; numpy's as they are."""
    if hasattr(ml_dtypes, array.dtype.name):
        return array.astype(np.float32)
    return array
