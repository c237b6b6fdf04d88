"""ONNX's node tests, as the installed ``onnx`` package has them."""

from __future__ import annotations

import importlib
import re
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from hwcore.contract import Array, Signature, UserError
from hwcore_conformance.operators.limits import NotExpressible, named, signature_of

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto

STANDARD = "ai.onnx"
"""The domain of the standard operators. In a graph its name may be empty."""

_EXPANDED = re.compile(r"_expanded(_ver\d+)?$")
"""End of the name of a test that has the function which defines an operator in its place."""


class Subject(NamedTuple):
    """What a test is about."""

    name: str
    domain: str
    operator: str
    opset: int
    """Version of the domain that the model asks for."""


class Call(NamedTuple):
    """Named inputs, and the outputs that they must give."""

    inputs: dict[str, Array]
    outputs: dict[str, Array]


class Case(NamedTuple):
    """A test that the contract can carry."""

    subject: Subject
    model: bytes
    op_domains: tuple[str, ...]
    signature: Signature
    calls: tuple[Call, ...]
    rtol: float
    atol: float


class LeftOut(NamedTuple):
    """A test that the contract cannot carry, and what it has no word for."""

    subject: Subject
    limit: str


def versions() -> dict[str, str]:
    """The package that the tests come from, and its newest version of the standard operators.

    Raises `UserError` where it is not installed.
    """
    _require()
    import onnx

    return {"onnx": onnx.__version__, "opset": str(onnx.defs.onnx_opset_version())}


def collect(only: str | None = None) -> list[Case | LeftOut]:
    """The tests with a match of ``only`` in their name, or all, in the order of their names.

    Raises `UserError` where ``onnx`` is not installed, for what is no regular expression, and
    for one that no test matches.
    """
    try:
        wanted = re.compile(only or "")
    except re.error as error:
        raise UserError(
            f"{only!r} is not a regular expression: {error}",
            hint="Give a part of the tests' names, such as test_add.",
        ) from None
    _require()
    from onnx.backend.test.loader import load_model_tests

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # to overflow is what some of them are about
        tests = sorted(load_model_tests(kind="node"), key=lambda test: test.name)
    models = {test.name: model_of(test) for test in tests}
    found = [
        case_of(test, models[test.name], _subject(test.name, models))
        for test in tests
        if wanted.search(test.name)
    ]
    if not found:
        raise UserError(
            f"no test of onnx has a match of {only!r} in its name",
            hint="Names are like test_add_bcast.",
        )
    return found


def model_of(test: Any) -> ModelProto:
    """The model of one of ``onnx``'s test cases.

    From 1.23 on the package makes them when they are asked for; before, they are files in it.
    """
    import onnx

    model: ModelProto = test.model or onnx.load(Path(test.model_dir) / "model.onnx")
    return model


def case_of(test: Any, model: ModelProto, subject: Subject) -> Case | LeftOut:
    """One of ``onnx``'s test cases in our words."""
    try:
        signature = signature_of(model.graph)
        calls = tuple(
            Call(
                named(signature.inputs, [_array(value) for value in given]),
                named(signature.outputs, [_array(value) for value in expected]),
            )
            for given, expected in (
                _from_files(test, signature) if test.data_sets is None else test.data_sets
            )
        )
    except NotExpressible as limit:
        return LeftOut(subject, str(limit))
    return Case(
        subject,
        model.SerializeToString(),
        tuple(sorted(set(_domains(model.graph)) - {STANDARD})),
        signature,
        calls,
        test.rtol,
        test.atol,
    )


def _require() -> None:
    try:
        importlib.import_module("onnx")
    except ModuleNotFoundError:
        raise UserError(
            "the operator profile needs onnx, which is not installed",
            hint='Install it: pip install "hwcore-conformance[onnx]"',
        ) from None


def _subject(name: str, models: Mapping[str, ModelProto]) -> Subject:
    """An expanded test is about the same operator as the test that it is named after."""
    model = models[name]
    node = models.get(_EXPANDED.sub("", name), model).graph.node[-1]
    domain = node.domain or STANDARD
    versions = {entry.domain or STANDARD: entry.version for entry in model.opset_import}
    # A function is written in the standard operators, and may be all that is left of its domain.
    return Subject(name, domain, node.op_type, versions.get(domain, versions.get(STANDARD, 0)))


def _domains(graph: GraphProto) -> Iterator[str]:
    """Of every node, those of subgraphs included. What a model only imports does not count."""
    for node in graph.node:
        yield node.domain or STANDARD
        for attribute in node.attribute:
            for inner in (*([attribute.g] if attribute.HasField("g") else []), *attribute.graphs):
                yield from _domains(inner)


def _array(value: Any) -> Array | None:
    from onnx import TensorProto, numpy_helper

    if isinstance(value, TensorProto):
        return numpy_helper.to_array(value)
    return None if value is None else np.asarray(value)


def _from_files(test: Any, signature: Signature) -> list[tuple[list[Any], list[Any]]]:
    folders = sorted(Path(test.model_dir).glob("test_data_set_*"))
    return [
        (
            _read(folder, "input", len(signature.inputs)),
            _read(folder, "output", len(signature.outputs)),
        )
        for folder in folders
    ]


def _read(folder: Path, kind: str, count: int) -> list[Any]:
    """The tensors of one side; fewer than ``count`` where files are missing."""
    from onnx import TensorProto

    files = [folder / f"{kind}_{place}.pb" for place in range(count)]
    return [TensorProto.FromString(file.read_bytes()) for file in files if file.exists()]
