"""The tensors in an artifact's files, read without the plugin that wrote them."""

from __future__ import annotations

import io
import math
import xml.etree.ElementTree as ElementTree
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hwcore.contract import Array, Artifact
from hwcore_conformance.exported_program import arrays

MATRIX = 2


class Unreadable(Exception):
    """No file of the artifact is of a kind whose tensors can be read."""


@dataclass(frozen=True)
class Tensor:
    """One stored array."""

    bits: int
    shape: tuple[int, ...]
    values: Array | None
    """``[outputs, inputs]`` where it is known which is which; ``None`` where the numbers are
    packed into bytes."""

    @property
    def bytes(self) -> float:
        """What it takes in a file."""
        return math.prod(self.shape) * self.bits / 8

    @property
    def matrix(self) -> bool:
        """True for two and more dimensions that are not all one: weights, and no scales."""
        return sum(size > 1 for size in self.shape) >= MATRIX


def readable(artifact: Artifact) -> bool:
    """Whether any of its files is of a kind that `tensors` reads."""
    return any(Path(name).suffix in _READERS for name in artifact.manifest.files)


def tensors(artifact: Artifact) -> Iterator[tuple[str, Tensor]]:
    """Every stored array, by name. Raises `Unreadable`."""
    if not readable(artifact):
        raise Unreadable(
            f"none of its files is of a kind that can be read ({', '.join(sorted(_READERS))})"
        )
    for name in sorted(artifact.manifest.files):
        path = artifact.root / name
        reader = _READERS.get(path.suffix)
        if reader is not None:
            yield from reader(path)


def _npz(path: Path) -> Iterator[tuple[str, Tensor]]:
    with zipfile.ZipFile(path) as stored:
        for name in stored.namelist():
            array = np.load(io.BytesIO(stored.read(name)), allow_pickle=False)
            yield name.removesuffix(".npy"), _of(array)


def _safetensors(path: Path) -> Iterator[tuple[str, Tensor]]:
    from safetensors import safe_open

    with safe_open(path, framework="numpy") as stored:
        for name in stored.keys():  # noqa: SIM118 - it is no mapping
            yield name, _of(stored.get_tensor(name))


def _onnx(path: Path) -> Iterator[tuple[str, Tensor]]:
    try:
        import onnx
        from onnx import numpy_helper
    except ImportError as error:
        raise Unreadable("reading ONNX takes the package onnx") from error
    model = onnx.load(path)
    inputs_first = {node.input[1] for node in model.graph.node if _inputs_first(node)}
    for tensor in model.graph.initializer:
        array = numpy_helper.to_array(tensor)
        turned = tensor.name in inputs_first and array.ndim == MATRIX
        yield tensor.name, _of(array.T if turned else array)


def _pt2(path: Path) -> Iterator[tuple[str, Tensor]]:
    for name, array in arrays(path):
        # Bytes are codes, of as many bits as only the program that unpacks them knows.
        packed = array.dtype == np.uint8
        yield name, Tensor(8, array.shape, None) if packed else _of(array)


def _inputs_first(node: Any) -> bool:
    """True for a product whose second factor is stored as ``[inputs, outputs]``."""
    if node.op_type == "Gemm":
        return not any(given.name == "transB" and given.i for given in node.attribute)
    return node.op_type in ("MatMul", "MatMulInteger")


def _openvino(path: Path) -> Iterator[tuple[str, Tensor]]:
    """Constants of an IR: an .xml with a .bin beside it."""
    weights = np.memmap(path.with_suffix(".bin"), np.uint8, "r")
    for layer in ElementTree.parse(path).getroot().iter("layer"):  # noqa: S314 - the plugin's own
        data = layer.find("data")
        if layer.get("type") != "Const" or data is None or data.get("offset") is None:
            continue
        kind = data.get("element_type", "")
        shape = tuple(int(n) for n in (data.get("shape") or "").split(",") if n.strip())
        start, size = int(data.get("offset", 0)), int(data.get("size", 0))
        dtype = _OPENVINO.get(kind)
        part = weights[start : start + size]
        values = part.view(dtype).reshape(shape) if dtype is not None else None
        bits = int("".join(c for c in kind if c.isdigit()) or 8)
        yield layer.get("name", ""), Tensor(bits, shape, values)


_OPENVINO = {
    "f32": np.float32,
    "f16": np.float16,
    "f64": np.float64,
    "i8": np.int8,
    "u8": np.uint8,
    "i32": np.int32,
    "i64": np.int64,
}

_READERS = {
    ".npz": _npz,
    ".safetensors": _safetensors,
    ".onnx": _onnx,
    ".pt2": _pt2,
    ".xml": _openvino,
}


def _of(array: Array) -> Tensor:
    narrow = str(array.dtype)
    bits = 4 if narrow in ("int4", "uint4") else 8 * array.dtype.itemsize
    return Tensor(bits, array.shape, array)
