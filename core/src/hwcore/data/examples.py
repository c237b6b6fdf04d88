"""Made-up inputs for tracing, tuning and comparing, where there is no data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from hwcore.contract import Array, Fill, Integers, Mask, Normal, Signature, TensorSpec, UserError
from hwcore.data.dtypes import numpy_dtype
from hwcore.data.shapes import near

_NO_SIZES: Mapping[str, int] = {}
DEFAULT_BATCH = 2
DEFAULT_SIZE = 16


def example_inputs(
    signature: Signature, sizes: Mapping[str, int] = _NO_SIZES, *, seed: int = 0
) -> dict[str, Array]:
    """Inputs that fit the signature, filled as each `TensorSpec.fill` says.

    ``sizes`` gives symbolic dimensions by name. One left out is 2 where it is the first axis
    of an input, which is the batch, and 16 elsewhere, or what the signature allows nearest to
    that. An input without a fill is standard normal, or zeros if it is not floating point.
    Equal arguments give equal arrays. Raises `UserError` for a size that does not fit.
    """
    first = {spec.shape[0] for spec in signature.inputs if spec.shape}
    chosen = {
        dim.name: near(dim, DEFAULT_BATCH if dim.name in first else DEFAULT_SIZE)
        for dim in signature.dims
    }
    unknown = set(sizes) - set(chosen)
    if unknown:
        raise UserError(
            f"there is no dimension {sorted(unknown)[0]!r}",
            hint=f"This model has {', '.join(chosen)}.",
        )
    chosen |= sizes
    rng = np.random.default_rng(seed)
    inputs = {spec.name: _fill(spec, chosen, rng) for spec in signature.inputs}
    signature.bind(inputs)
    return inputs


def _fill(spec: TensorSpec, sizes: Mapping[str, int], rng: np.random.Generator) -> Array:
    shape = tuple(sizes[size] if isinstance(size, str) else size for size in spec.shape)
    dtype = numpy_dtype(spec.dtype)
    fill = spec.fill or _default(dtype)
    match fill:
        case Integers(low=low, high=high):
            return rng.integers(low, high, size=shape).astype(dtype)
        case Mask():
            return _mask(shape, rng).astype(dtype)
        case Normal(mean=mean, std=std):
            return rng.normal(mean, std, size=shape).astype(dtype)


def _default(dtype: np.dtype[Any]) -> Fill:
    # ml_dtypes' floats have kind "V"; asking what 0.5 becomes holds for every dtype.
    floating = float(np.asarray(0.5).astype(dtype)) == 0.5
    return Normal() if floating else Integers(high=1)


def _mask(shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    """Ones up to each row's own length, which is at least 1; the first row is full."""
    *rows, longest = shape
    lengths = rng.integers(1, longest + 1, size=rows)
    lengths.flat[:1] = longest
    return np.arange(longest) < lengths[..., None]
