"""The signature of a component: its named arrays and how far their dimensions stretch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal, Protocol, Self

from pydantic import Field, model_validator

from hwcore.contract.base import Value
from hwcore.contract.errors import UserError


class ArrayLike(Protocol):
    """What a signature looks at: a numpy array has it."""

    @property
    def shape(self) -> tuple[int, ...]: ...
    @property
    def dtype(self) -> object: ...


class Dim(Value):
    """A symbolic dimension, ``min <= size <= max`` and ``size % multiple_of == 0``."""

    name: str
    min: int = Field(default=1, ge=1)
    max: int | None = None
    multiple_of: int = Field(default=1, ge=1)

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.max is not None and self.max < self.min:
            raise ValueError(f"dimension {self.name}: max {self.max} is below min {self.min}")
        if self.max is not None and self.max // self.multiple_of * self.multiple_of < self.min:
            raise ValueError(
                f"dimension {self.name}: no multiple of {self.multiple_of} "
                f"from {self.min} to {self.max}"
            )
        return self


class Integers(Value):
    """Fill with integers drawn from ``[low, high)``: token ids, say."""

    kind: Literal["integers"] = "integers"
    low: int = 0
    high: int


class Mask(Value):
    """Fill with ones, then zeros: each row is padded on the right by its own length."""

    kind: Literal["mask"] = "mask"


class Normal(Value):
    """Fill with draws from a normal distribution: pixels, features."""

    kind: Literal["normal"] = "normal"
    mean: float = 0.0
    std: float = 1.0


Fill = Annotated[Integers | Mask | Normal, Field(discriminator="kind")]
"""How to make an input up when there is no data; what keeps made-up inputs in range."""


class TensorSpec(Value):
    """One named array: numpy's or ml_dtypes' ``dtype``; a ``str`` in ``shape`` is a `Dim`."""

    name: str
    dtype: str
    shape: tuple[int | str, ...]
    fill: Fill | None = None


class Signature(Value):
    """Inputs and outputs of a component, in order, with every symbolic dimension declared."""

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    dims: tuple[Dim, ...] = ()

    @model_validator(mode="after")
    def _closed(self) -> Self:
        for kind, specs in (("input", self.inputs), ("output", self.outputs)):
            names = [spec.name for spec in specs]
            if len(set(names)) != len(names):
                raise ValueError(f"two {kind}s share a name: {', '.join(names)}")
        declared = {dim.name for dim in self.dims}
        if len(declared) != len(self.dims):
            raise ValueError("two dimensions share a name")
        for spec in self.inputs + self.outputs:
            for size in spec.shape:
                if isinstance(size, str) and size not in declared:
                    raise ValueError(f"{spec.name} uses dimension {size!r}, which is not declared")
        return self

    def dim(self, name: str) -> Dim:
        """The declared dimension of that name; `KeyError` if there is none."""
        for dim in self.dims:
            if dim.name == name:
                return dim
        raise KeyError(name)

    def bind(self, arrays: Mapping[str, ArrayLike]) -> dict[str, int]:
        """Check named inputs; give the size of each symbolic dimension.

        Raises `UserError` that names the input: missing, unexpected, of another dtype or
        rank, empty, out of a dimension's bounds, or at odds with another input.
        """
        sizes: dict[str, int] = {}
        for spec in self.inputs:
            array = arrays.get(spec.name)
            if array is None:
                raise UserError(
                    f"input {spec.name!r} is missing",
                    hint=f"This model takes {', '.join(s.name for s in self.inputs)}.",
                )
            if str(array.dtype) != spec.dtype:
                raise UserError(
                    f"input {spec.name!r} has dtype {array.dtype}, expected {spec.dtype}",
                    hint=f"Convert it: {spec.name}.astype({spec.dtype!r}).",
                )
            if len(array.shape) != len(spec.shape):
                raise UserError(
                    f"input {spec.name!r} has shape {array.shape}, expected "
                    f"({', '.join(map(str, spec.shape))})",
                    hint="Inputs are batches: a single row is array[None].",
                )
            for expected, size in zip(spec.shape, array.shape, strict=True):
                if isinstance(expected, int):
                    if size != expected:
                        raise UserError(
                            f"input {spec.name!r} has shape {array.shape}, expected "
                            f"({', '.join(map(str, spec.shape))})",
                            hint="Pad, cut or resize the input to that shape.",
                        )
                elif sizes.setdefault(expected, size) != size:
                    raise UserError(
                        f"input {spec.name!r} has {expected} {size}, "
                        f"but an input before it has {sizes[expected]}",
                        hint="Pad all inputs of a call to equal sizes.",
                    )
        if len(arrays) != len(self.inputs):
            known = {spec.name for spec in self.inputs}
            extra = next(name for name in arrays if name not in known)
            raise UserError(
                f"input {extra!r} is unexpected",
                hint=f"This model takes {', '.join(s.name for s in self.inputs)}.",
            )
        for dim in self.dims:
            bound = sizes.get(dim.name)
            if bound is not None:
                self._check_size(dim, bound)
        return sizes

    @staticmethod
    def _check_size(dim: Dim, size: int) -> None:
        if size < dim.min or (dim.max is not None and size > dim.max):
            most = "" if dim.max is None else f" and at most {dim.max}"
            raise UserError(
                f"{dim.name} is {size}, expected at least {dim.min}{most}",
                hint="Pad or cut the inputs to fit.",
            )
        if size % dim.multiple_of:
            raise UserError(
                f"{dim.name} is {size}, expected a multiple of {dim.multiple_of}",
                hint="Pad the inputs to fit.",
            )
