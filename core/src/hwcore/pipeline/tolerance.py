"""How far apart two outputs may be and still count as the same.

Errors are measured against the size of the reference output, its root mean square (floor 1e-3),
so that a model with small outputs is held to the same standard as one with large ones.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from hwcore.contract import Array, Traits

MIN_SCALE = 1e-3


class Tolerance(NamedTuple):
    """Bounds on the error relative to the root mean square of the reference output."""

    max_error: float
    """The largest single element."""
    rms_error: float
    """The root mean square over all elements."""


FLOAT32 = Tolerance(max_error=2e-3, rms_error=2e-4)
"""Reordered float32 sums: exports of 12-layer encoders stay near 1e-5 of the output's size;
the bound leaves room for deep models and for erf and exp approximations."""

QUANTIZED = Tolerance(max_error=0.5, rms_error=0.05)
"""An already quantized parent: moving an operation moves values across rounding borders, each
by one step of the 8-bit grid, so single elements differ while the whole stays close."""

BFLOAT16 = Tolerance(max_error=0.3, rms_error=0.03)
"""8 bits of mantissa: 2**-9 per rounding, which accumulates over layers."""


def tolerance_for(parent: Traits) -> Tolerance:
    """What a lossless step is held to, given what its parent already gave up."""
    if parent.quantization is None:
        return FLOAT32
    return BFLOAT16 if parent.quantization == "bf16" else QUANTIZED


class Difference(NamedTuple):
    """Measured errors, in the units of `Tolerance`."""

    max_error: float
    rms_error: float

    def within(self, tolerance: Tolerance) -> bool:
        """False for NaN, too."""
        return self.max_error <= tolerance.max_error and self.rms_error <= tolerance.rms_error


def difference(expected: Array, actual: Array) -> Difference:
    """Compare two arrays of one shape; NaN or infinite where either is not finite."""
    reference = np.asarray(expected, np.float64)
    with np.errstate(invalid="ignore"):  # infinity less infinity
        error = np.abs(reference - np.asarray(actual, np.float64))
    scale = max(_rms(reference), MIN_SCALE)
    return Difference(float(error.max()) / scale, _rms(error) / scale)


def _rms(values: Array) -> float:
    return float(np.sqrt(np.mean(values**2)))
