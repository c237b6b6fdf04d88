"""The weights of a ``transformers`` artifact as numpy arrays: neither torch nor a model is made."""

from __future__ import annotations

from collections.abc import Iterator
from math import prod
from pathlib import Path

from hwcore.contract import Array, Artifact, UserError
from hwcore.transformers.checkpoint import read_header
from hwcore.transformers.config import READABLE

_DTYPES = {
    "F64": "float64",
    "F32": "float32",
    "F16": "float16",
    "BF16": "bfloat16",
    "F8_E5M2": "float8_e5m2",
    "F8_E4M3": "float8_e4m3fn",
    "F8_E8M0": "float8_e8m0fnu",
    "BOOL": "bool",
    "U8": "uint8",
    "I8": "int8",
    "U16": "uint16",
    "I16": "int16",
    "U32": "uint32",
    "I32": "int32",
    "U64": "uint64",
    "I64": "int64",
    "C64": "complex64",
}
"""Numpy's and ml_dtypes' names, by safetensors'."""


def read_tensors(source: Artifact) -> Iterator[tuple[str, Array]]:
    """Name and values of every tensor of the checkpoint, one after another, from all its files.

    Names and dtypes are those of the files: a model that was saved with a head may have the
    name of its body before its weights' (``bert.encoder…``), and tensors that it does not use.
    Raises `UserError` if a file is damaged or cannot be read.
    """
    for name in sorted(source.manifest.files):
        if name.endswith(".safetensors"):
            yield from _read(source.root / name)


def _read(path: Path) -> Iterator[tuple[str, Array]]:
    import ml_dtypes
    import numpy as np

    for name, entry in read_header(path).items():
        dtype = _DTYPES[entry.dtype]
        little = np.dtype(getattr(ml_dtypes, dtype, dtype)).newbyteorder("<")
        try:
            values = np.fromfile(path, little, count=prod(entry.shape), offset=entry.begin)
        except OSError as error:
            raise UserError(f"{path} cannot be read: {error.strerror}", hint=READABLE) from error
        yield name, values.reshape(entry.shape)
