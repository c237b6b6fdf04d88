"""The numbers that plugins are held to. A vendor cannot loosen them.

Errors are relative to the root mean square of the expected output, with a floor of 1e-3, so
that models with small outputs are held to the same standard as those with large ones.
"""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

import numpy as np

from hwcore.contract import Array, Artifact

Outputs = Literal["hidden states", "logits"]
"""What the last operation of a model is: a normalization, or a product and nothing after it."""
Scheme = Literal["none", "bf16", "int8", "int4"]
DType = Literal["float32", "bfloat16"]
"""Of what is not quantized."""


class Tolerance(NamedTuple):
    """Bounds on relative errors, and where the numbers come from."""

    max_error: float
    rms_error: float
    origin: str


class Key(NamedTuple):
    """What a bound is for."""

    outputs: Outputs
    scheme: Scheme
    dtype: DType


FLOAT32: Final = Tolerance(
    2e-3,
    2e-4,
    "sums in another order: 24 bits of mantissa over some thousand terms and a dozen layers, with "
    "room for approximations of erf and exp",
)
_BITS = (
    "8 bits of mantissa, 2**-9 for each rounding: bfloat16 is binary32 (IEEE 754) cut off; the "
    "largest of some ten thousand errors is 10 to 20 times their root mean square, which was up to "
    "0.053 for hidden states and 0.069 for logits in PyTorch's own bfloat16, over 240 random models"
)
_STEPS = (
    "steps of 1/127 of a channel's largest weight and of the range of activations, which random "
    "small models use to the full; the largest error is bounded against what is not rounding"
)
_FEW = "; few numbers for each row, and no normalization after the last rounding"

TABLE: Final[dict[Key, Tolerance]] = {
    Key("hidden states", "none", "float32"): FLOAT32,
    Key("logits", "none", "float32"): FLOAT32,
    Key("hidden states", "none", "bfloat16"): Tolerance(1.0, 0.1, _BITS),
    Key("logits", "none", "bfloat16"): Tolerance(1.0, 0.15, _BITS + _FEW),
    Key("hidden states", "bf16", "float32"): Tolerance(1.0, 0.1, _BITS + ", of weights alone"),
    Key("logits", "bf16", "float32"): Tolerance(1.0, 0.15, _BITS + _FEW),
    Key("hidden states", "bf16", "bfloat16"): Tolerance(1.0, 0.1, _BITS),
    Key("logits", "bf16", "bfloat16"): Tolerance(1.0, 0.15, _BITS + _FEW),
    Key("hidden states", "int8", "float32"): Tolerance(10.0, 0.35, _STEPS),
    Key("logits", "int8", "float32"): Tolerance(10.0, 0.5, _STEPS + _FEW),
    Key("hidden states", "int8", "bfloat16"): Tolerance(10.0, 0.45, f"{_STEPS}; and {_BITS}"),
    Key("logits", "int8", "bfloat16"): Tolerance(10.0, 0.6, f"{_STEPS}{_FEW}; and {_BITS}"),
    Key("hidden states", "int4", "float32"): Tolerance(
        20.0, 0.7, "steps of 1/7 of a group's largest weight"
    ),
    Key("logits", "int4", "float32"): Tolerance(
        20.0, 0.8, "steps of 1/7 of a group's largest weight" + _FEW
    ),
    Key("hidden states", "int4", "bfloat16"): Tolerance(
        20.0, 0.75, f"steps of 1/7 of a group's largest weight; and {_BITS}"
    ),
    Key("logits", "int4", "bfloat16"): Tolerance(
        20.0, 0.85, f"steps of 1/7 of a group's largest weight{_FEW}; and {_BITS}"
    ),
}
"""For one artifact against another, or against the float32 original."""

REPEATED: Final = Tolerance(
    1e-5, 1e-6, "the same arithmetic on the same numbers; vector widths may follow the shape"
)
"""For two answers to one question."""


def tolerance_for(artifact: Artifact, *, lossless: bool = True) -> Tolerance:
    """For the answers of an artifact; a lossy row that quantizes nothing computes in bfloat16."""
    scheme = artifact.traits.quantization or "none"
    kind: Scheme = "int8"
    for known in ("none", "bf16", "int4"):
        if scheme.startswith(known):
            kind = known
    outputs: Outputs = "hidden states" if artifact.task == "feature-extraction" else "logits"
    dtype: DType = "float32" if lossless or kind in ("int8", "int4") else "bfloat16"
    return TABLE[Key(outputs, kind, dtype)]


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
