"""ONNX graphs: read with their weights wherever those lie, written, counted."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import JsonValue

from hwcore.contract import Artifact, ArtifactCorrupt

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, NodeProto, TensorProto

Shape = tuple[int | str | None, ...]
"""Sizes, names of symbolic dimensions, and ``None`` for what is not known."""
Shapes = dict[str, Shape]

FORMAT = "onnx"
FILE = "model.onnx"
WEIGHTS = FILE + ".data"
"""Beside `FILE`, where weights are external data."""
_AGAIN = "Make the artifact again."

STANDARD = ("", "ai.onnx")
"""The two names of the standard operators' domain."""

QUANTIZED = frozenset(
    {
        "MatMulInteger",
        "ConvInteger",
        "QLinearMatMul",
        "QLinearConv",
        "DynamicQuantizeMatMul",
        "MatMulIntegerToFloat",
        "QGemm",
        "QAttention",
        "MatMulNBits",
    }
)
"""Operators that multiply numbers of 8 bits or less."""

_WEIGHT_BITS = {
    "FLOAT": 32,
    "DOUBLE": 64,
    "FLOAT16": 16,
    "BFLOAT16": 16,
    "INT8": 8,
    "UINT8": 8,
    "INT4": 4,
    "UINT4": 4,
}
"""Bits of an element, by the types that weights have; others are shapes and indices."""


def read(file: Path, *, weights: bool = True) -> ModelProto:
    """Read a model; without ``weights`` external data is left where it is.

    The onnx package would refuse external data in a file with several hard links, which a file
    of an artifact may have. Raises `ArtifactCorrupt` if the data is not there.
    """
    import onnx

    model = onnx.load(file, load_external_data=False)
    if weights:
        for tensor in _tensors(model.graph):
            if tensor.data_location == onnx.TensorProto.EXTERNAL:
                _fetch(tensor, file.parent)
    return model


def save(model: ModelProto, folder: Path) -> Path:
    """Write a model with its weights in `WEIGHTS`, and give its file; the model loses them."""
    import onnx

    onnx.save(model, folder / FILE, save_as_external_data=True, location=WEIGHTS)
    return folder / FILE


def nodes(graph: GraphProto) -> Iterator[NodeProto]:
    """Every node, those of subgraphs included."""
    for node in graph.node:
        yield node
        for subgraph in _subgraphs(node):
            yield from nodes(subgraph)


def domains(model: ModelProto) -> tuple[str, ...]:
    """Operator domains in use beyond the standard one, sorted: see `Traits.op_domains`."""
    return tuple(sorted({node.domain for node in nodes(model.graph)} - set(STANDARD)))


def weight_bytes(model: ModelProto) -> int:
    """Stored bytes of weights, with the scales and zero points of quantized ones."""
    return sum((_elements(t) * _bits(t) + 7) // 8 for t in _weights(model))


def parameters(model: ModelProto) -> int:
    """Numbers in the weights of a model that is not quantized."""
    return sum(_elements(t) for t in _weights(model))


def size_facts(model: ModelProto, source: Artifact) -> dict[str, JsonValue]:
    """The facts on the size of a model that was made from ``source`` and has its parameters."""
    stored = weight_bytes(model)
    facts: dict[str, JsonValue] = {"weight_bytes": stored}
    numbers = source.manifest.facts.get("parameters")
    if isinstance(numbers, int) and numbers:
        facts["bits_per_weight"] = stored * 8 / numbers
    return facts


def quantized_operations(model: ModelProto) -> int:
    """Count the operations in 8 bits or less."""
    return sum(node.op_type in QUANTIZED for node in nodes(model.graph))


def count(model: ModelProto) -> Counter[str]:
    """Nodes by operator type, with the domain in front where it is not the standard one."""
    return Counter(
        node.op_type if node.domain in STANDARD else f"{node.domain}.{node.op_type}"
        for node in nodes(model.graph)
    )


def shapes(model: ModelProto) -> Shapes:
    """Shapes of the values that have one."""
    graph = model.graph
    return {
        value.name: tuple(
            dim.dim_value if dim.HasField("dim_value") else dim.dim_param or None
            for dim in value.type.tensor_type.shape.dim
        )
        for value in (*graph.input, *graph.value_info, *graph.output)
        if value.type.tensor_type.HasField("shape")
    }


def products(model: ModelProto) -> dict[str, list[NodeProto]]:
    """Matrix products with a constant second operand of two dimensions, by their first."""
    constant = {tensor.name for tensor in model.graph.initializer if len(tensor.dims) == 2}
    found: dict[str, list[NodeProto]] = defaultdict(list)
    for node in model.graph.node:
        if node.op_type == "MatMul" and node.input[1] in constant:
            found[node.input[0]].append(node)
    return dict(found)


def reads(node: NodeProto) -> Iterator[str]:
    """Names of the values that a node reads, in its subgraphs too."""
    yield from node.input
    for subgraph in _subgraphs(node):
        for inner in subgraph.node:
            yield from reads(inner)


def drop_unused(model: ModelProto) -> None:
    """Remove nodes and initializers that no output depends on."""
    graph = model.graph
    needed = {value.name for value in graph.output}
    kept: list[NodeProto] = []
    for node in reversed(graph.node):  # they are in topological order
        if needed.intersection(node.output):
            kept.append(node)
            needed.update(reads(node))
    del graph.node[:]
    graph.node.extend(reversed(kept))
    initializers = [tensor for tensor in graph.initializer if tensor.name in needed]
    del graph.initializer[:]
    graph.initializer.extend(initializers)


def _subgraphs(node: NodeProto) -> Iterator[GraphProto]:
    for attribute in node.attribute:
        if attribute.HasField("g"):
            yield attribute.g
        yield from attribute.graphs


def _tensors(graph: GraphProto) -> Iterator[TensorProto]:
    yield from graph.initializer
    for node in graph.node:
        for subgraph in _subgraphs(node):
            yield from _tensors(subgraph)


def _weights(model: ModelProto) -> Iterator[TensorProto]:
    """Constants but for shapes, indices and single numbers."""
    return (tensor for tensor in _tensors(model.graph) if tensor.dims and _bits(tensor))


def _elements(tensor: TensorProto) -> int:
    size = 1
    for dim in tensor.dims:
        size *= dim
    return size


def _bits(tensor: TensorProto) -> int:
    from onnx import TensorProto

    return _WEIGHT_BITS.get(TensorProto.DataType.Name(tensor.data_type), 0)


def _fetch(tensor: TensorProto, folder: Path) -> None:
    from onnx import TensorProto

    where = {entry.key: entry.value for entry in tensor.external_data}
    name = where.get("location", "")
    if Path(name).name != name:
        raise ArtifactCorrupt(
            f"{folder}: tensor {tensor.name!r} lies outside, in {name!r}", hint=_AGAIN
        )
    try:
        with (folder / name).open("rb") as file:
            file.seek(int(where.get("offset", 0)))
            size = int(where.get("length", -1))
            data = file.read(size)
    except OSError as error:
        raise ArtifactCorrupt(
            f"{folder / name}, which holds weights, cannot be read: {error.strerror}", hint=_AGAIN
        ) from error
    if len(data) < size:
        raise ArtifactCorrupt(
            f"{folder / name} ends in the middle of tensor {tensor.name!r}", hint=_AGAIN
        )
    tensor.raw_data = data
    tensor.data_location = TensorProto.DEFAULT
    del tensor.external_data[:]
