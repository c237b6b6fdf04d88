"""The numbers that plugins are held to. A vendor cannot loosen them.

Errors are relative to the root mean square of the expected output, with a floor of 1e-3, so
that models with small outputs are held to the same standard as those with large ones.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from hwcore.contract import Array, Traits


class Tolerance(NamedTuple):
    """Bounds on relative errors, and where the numbers come from."""

    max_error: float
    rms_error: float
    origin: str


FLOAT32 = Tolerance(
    2e-3,
    2e-4,
    "float32 sums in another order: 24 bits of mantissa over some thousand terms and a dozen "
    "layers, with room for approximations of erf and exp",
)
BFLOAT16 = Tolerance(
    0.5,
    0.05,
    "8 bits of mantissa, 2**-9 for each rounding (bfloat16 as in IEEE 754 with 16 bits cut off)",
)
INT8 = Tolerance(
    2.0,
    0.35,
    "steps of 1/127 of the largest weight of a channel and of the range of activations; random "
    "small models have no outlier channels but also no redundancy",
)
INT4 = Tolerance(4.0, 1.0, "steps of 1/7 of the largest weight of a group")
REPEATED = Tolerance(
    1e-5, 1e-6, "the same arithmetic on the same numbers; vector widths may follow the shape"
)

_SCHEMES = {None: FLOAT32, "bf16": BFLOAT16}


def tolerance_for(traits: Traits, *, lossless: bool = True) -> Tolerance:
    """For an artifact of these traits against the float32 original."""
    scheme = traits.quantization
    if scheme in _SCHEMES:
        return _SCHEMES[scheme] if lossless else BFLOAT16
    return INT4 if scheme is not None and scheme.startswith("int4") else INT8


class Difference(NamedTuple):
    """Measured errors, in the units of `Tolerance`."""

    max_error: float
    rms_error: float

    def within(self, tolerance: Tolerance) -> bool:
        """False for NaN, too."""
        return self.max_error <= tolerance.max_error and self.rms_error <= tolerance.rms_error

    def __str__(self) -> str:
        return f"max {self.max_error:.2g}, root mean square {self.rms_error:.2g}"


def difference(expected: Array, actual: Array) -> Difference:
    """Compare two arrays of one shape; infinite where the shapes are not one."""
    if expected.shape != actual.shape:
        return Difference(np.inf, np.inf)
    reference = np.asarray(expected, np.float64)
    with np.errstate(invalid="ignore"):
        error = np.abs(reference - np.asarray(actual, np.float64))
    scale = max(float(np.sqrt(np.mean(reference**2))), 1e-3)
    return Difference(float(error.max()) / scale, float(np.sqrt(np.mean(error**2))) / scale)
