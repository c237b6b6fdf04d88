"""The signature of an ONNX graph, or what the contract has no word for in it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from hwcore.contract import Array, Dim, Signature, TensorSpec, UserError
from hwcore.data import numpy_dtype

if TYPE_CHECKING:
    from onnx import GraphProto, ValueInfoProto

STRINGS = "strings"
ANY_RANK = "arrays of any rank"
LEFT_OUT = "inputs that may be left out"
OPEN_AND_EMPTY = "an open dimension of size 0"


class NotExpressible(Exception):
    """The contract cannot carry the model; the message is what it has no word for."""


def signature_of(graph: GraphProto) -> Signature:
    """Names, dtypes and shapes of a graph. Sizes that it leaves open become dimensions.

    Raises `NotExpressible`.
    """
    inputs, outputs = tuple(map(_spec, graph.input)), tuple(map(_spec, graph.output))
    names = dict.fromkeys(
        size for spec in inputs + outputs for size in spec.shape if isinstance(size, str)
    )
    return Signature(inputs=inputs, outputs=outputs, dims=tuple(Dim(name=name) for name in names))


def named(specs: Sequence[TensorSpec], arrays: Sequence[Array | None]) -> dict[str, Array]:
    """The arrays of one call by the names of one side of a signature.

    Raises `NotExpressible` where one is missing or as small as no dimension may be.
    """
    found = {}
    if len(arrays) != len(specs):
        raise NotExpressible(LEFT_OUT)
    for spec, array in zip(specs, arrays, strict=True):
        if array is None:
            raise NotExpressible(LEFT_OUT)
        # An array of another rank is for the plugin to refuse.
        for declared, size in zip(spec.shape, array.shape, strict=False):
            if isinstance(declared, str) and size == 0:
                raise NotExpressible(OPEN_AND_EMPTY)
        found[spec.name] = array
    return found


def _spec(value: ValueInfoProto) -> TensorSpec:
    from onnx import TensorProto
    from onnx.helper import tensor_dtype_to_np_dtype

    kind = value.type.WhichOneof("value")
    if kind != "tensor_type":
        raise NotExpressible(f"{str(kind).removesuffix('_type')} values")
    tensor = value.type.tensor_type
    if tensor.elem_type == TensorProto.STRING:
        raise NotExpressible(STRINGS)
    if not tensor.HasField("shape"):
        raise NotExpressible(ANY_RANK)
    dtype = tensor_dtype_to_np_dtype(tensor.elem_type).name
    try:
        numpy_dtype(dtype)
    except UserError:
        raise NotExpressible(f"the dtype {dtype}") from None
    shape = tuple(
        dim.dim_value if dim.HasField("dim_value") else dim.dim_param or f"{value.name}.{axis}"
        for axis, dim in enumerate(tensor.shape.dim)
    )
    return TensorSpec(name=value.name, dtype=dtype, shape=shape)
