"""Ports and the arrays of a signature: names that OpenVINO merges, inputs it drops, narrow dtypes.

Graphs are ONNX's, as they reach the plugin, through its own hooks: export, compile and run.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from onnx import NodeProto, TensorProto, helper, save
from openvino_steps import Steps

from core_plugin_openvino import ir, libraries, ports
from core_plugin_openvino.requests import Requests
from core_plugin_openvino.variants import USES
from hwcore.artifacts import seal
from hwcore.contract import (
    Array,
    Artifact,
    Component,
    Draft,
    LineageStep,
    PluginError,
    Signature,
    TensorSpec,
)

SHAPE = (2, 3)
ROW = np.arange(-3, 3).reshape(SHAPE)

Made = Callable[..., Artifact]
Arrays = dict[str, Array]


def _shape(name: str) -> tuple[int, ...]:
    return (0,) if name == "nothing" else SHAPE


def _specs(dtypes: dict[str, str]) -> tuple[TensorSpec, ...]:
    return tuple(TensorSpec(name=n, dtype=d, shape=_shape(n)) for n, d in dtypes.items())


def _floats(names: Sequence[str]) -> dict[str, str]:
    return dict.fromkeys(names, "float32")


def _signature(inputs: Sequence[str], outputs: Sequence[str]) -> Signature:
    return Signature(inputs=_specs(_floats(inputs)), outputs=_specs(_floats(outputs)))


@pytest.fixture
def onnx(tmp_path: Path, tiny_source: Callable[..., Artifact]) -> Made:
    """``onnx(nodes, inputs, outputs)``: dtypes by name. Arrays are of `SHAPE`, and ``nothing`` is
    one without elements."""

    def make(
        nodes: Sequence[NodeProto], inputs: dict[str, str], outputs: dict[str, str]
    ) -> Artifact:
        def values(dtypes: dict[str, str]) -> list[Any]:
            kinds = {n: np.dtype(getattr(ml_dtypes, d, d)) for n, d in dtypes.items()}
            return [
                helper.make_tensor_value_info(n, helper.np_dtype_to_tensor_dtype(kind), _shape(n))
                for n, kind in kinds.items()
            ]

        graph = helper.make_graph(nodes, "test", values(inputs), values(outputs))
        save(
            helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10),
            tmp_path / "model.onnx",
        )
        signature = Signature(inputs=_specs(inputs), outputs=_specs(outputs))
        draft = Draft(
            format="onnx",
            components={"model": Component(signature=signature, file="model.onnx")},
        )
        step = LineageStep(hook="export", plugin="onnxruntime", version="0", capability="onnx")
        return seal(tmp_path, draft, tiny_source("bert"), step)

    return make


def _answers(artifact: Artifact, steps: Steps, inputs: Arrays) -> list[Arrays]:
    """Of the IR, of the IR with fixed shapes, and of the blob."""
    made = steps.export(artifact, "ir-from-onnx")
    found = []
    for runner in (steps.run(made), steps.run(made, variants=1), steps.run(steps.blob(made))):
        for _ in range(USES):
            answer = runner(inputs)
        assert list(answer) == [spec.name for spec in made.component().signature.outputs]
        found.append(answer)
        runner.close()
    return found


def test_an_input_merged_with_a_neighbour_keeps_its_name(onnx: Made, steps: Steps) -> None:
    """The engine drops the cast, and hands its name on to the input."""
    nodes = [
        helper.make_node("Cast", ["x"], ["a"], to=TensorProto.FLOAT),
        helper.make_node("Relu", ["a"], ["y"]),
    ]
    artifact = onnx(nodes, _floats("x"), _floats("y"))
    x = ROW.astype(np.float32)
    for answer in _answers(artifact, steps, {"x": x}):
        np.testing.assert_array_equal(answer["y"], np.maximum(x, 0))


def test_an_output_merged_with_a_neighbour_keeps_its_name(onnx: Made, steps: Steps) -> None:
    nodes = [
        helper.make_node("Relu", ["x"], ["A"]),
        helper.make_node("Cast", ["A"], ["y"], to=TensorProto.FLOAT),
    ]
    artifact = onnx(nodes, _floats("x"), _floats("y"))
    x = ROW.astype(np.float32)
    for answer in _answers(artifact, steps, {"x": x}):
        np.testing.assert_array_equal(answer["y"], np.maximum(x, 0))


def test_outputs_that_are_one_and_inputs_that_are_outputs(onnx: Made, steps: Steps) -> None:
    nodes = [
        helper.make_node("Relu", ["x"], ["y"]),
        helper.make_node("Identity", ["y"], ["z"]),
        helper.make_node("Identity", ["x"], ["same"]),
    ]
    artifact = onnx(nodes, _floats("x"), _floats(["z", "same", "y"]))
    x = ROW.astype(np.float32)
    for answer in _answers(artifact, steps, {"x": x}):
        np.testing.assert_array_equal(answer["same"], x)
        for name in "yz":
            np.testing.assert_array_equal(answer[name], np.maximum(x, 0))


def _graph(results: Callable[[Any, list[Any]], list[Any]], names: Sequence[str]) -> Any:
    """A graph that is not from ONNX; ``results`` makes its outputs of its inputs."""
    ov = libraries.openvino()
    op = ov.opset13
    inputs = [op.parameter(SHAPE, np.float32) for _ in names]
    for node, name in zip(inputs, names, strict=True):
        node.output(0).get_tensor().set_names({name} if name else set())
    return ov.Model([op.result(made) for made in results(op, inputs)], inputs, "test")


def _requests(model: Any, signature: Signature, folder: Path) -> Requests:
    """As the plugin makes them: from the file."""
    ir.adopt(model, signature)
    libraries.openvino().save_model(model, folder / "model.xml", compress_to_fp16=False)
    core = libraries.core()
    return Requests(core.compile_model(core.read_model(folder / "model.xml"), "CPU"), signature)


def test_an_input_whose_name_was_lost_is_found_by_its_place(tmp_path: Path) -> None:
    """In a file, a parameter that is a result keeps the result's name only."""
    graph = _graph(lambda op, inputs: [inputs[1], op.relu(inputs[0])], ["a", "b"])
    requests = _requests(graph, _signature("ab", "yz"), tmp_path)
    assert requests.inputs == ("a", "b")
    assert list(requests.outputs.items()) == [("y", 0), ("z", 1)]


def test_two_results_of_one_node_are_two_outputs(tmp_path: Path) -> None:
    def twice(op: Any, inputs: list[Any]) -> list[Any]:
        return [op.relu(inputs[0])] * 2

    requests = _requests(_graph(twice, [""]), _signature("x", "yz"), tmp_path)
    x = ROW.astype(np.float32)
    for array in requests.infer([x], ["z", "y"]).values():
        np.testing.assert_array_equal(array, np.maximum(x, 0))


def test_arrays_are_fed_by_the_name_of_their_port(tmp_path: Path) -> None:
    """Also where the engine merged it, and the graph has another order than the signature."""

    def difference(op: Any, inputs: list[Any]) -> list[Any]:
        casts = [op.convert(node, "f32") for node in inputs]
        for cast in casts:
            cast.output(0).get_tensor().set_names({f"0 {cast.get_friendly_name()}"})
        return [op.subtract(*casts)]

    signature = _signature("ab", "y")
    requests = _requests(_graph(difference, ["b", "a"]), signature, tmp_path)
    assert requests.inputs == ("b", "a")
    x = ROW.astype(np.float32)
    np.testing.assert_array_equal(requests.infer([x, 3 * x], ["y"])["y"], -2 * x)


def test_a_graph_of_other_ports_is_refused() -> None:
    graph = _graph(lambda op, inputs: [op.add(*inputs)], ["", ""])
    with pytest.raises(PluginError, match="OpenVINO made a graph of 2 inputs, expected x"):
        ports.places("inputs", graph.inputs, _specs(_floats("x")))
    with pytest.raises(PluginError, match="OpenVINO made a graph of 1 outputs, expected y, z"):
        ports.places("outputs", graph.outputs, _specs(_floats("yz")))


def test_an_input_that_openvino_drops_is_kept(onnx: Made, steps: Steps) -> None:
    """It has no elements, and the engine takes it for a constant."""
    nodes = [helper.make_node("CastLike", ["x", "nothing"], ["y"])]
    dtypes = {"x": "float32", "nothing": "float16"}
    artifact = onnx(nodes, dtypes, {"y": "float16"})
    graph = libraries.core().read_model(artifact.component_file())
    assert [port.get_names() for port in graph.inputs] == [{"x"}]
    made = steps.export(artifact, "ir-from-onnx")
    graph = libraries.core().read_model(made.component_file())
    kept = {name: ports.dtype(port) for port in graph.inputs for name in port.get_names()}
    assert kept == dtypes
    inputs = {"x": ROW.astype(np.float32), "nothing": np.zeros(0, np.float16)}
    for answer in _answers(artifact, steps, inputs):
        np.testing.assert_array_equal(answer["y"], ROW.astype(np.float16))


@pytest.mark.parametrize(
    ("dtype", "message"),
    [
        ({"nothing": "int4"}, "OpenVINO has no arrays of int4"),
        ({"x": "int4"}, "OpenVINO made x i4, expected int4"),
    ],
)
def test_numbers_of_less_than_a_byte_are_refused(
    dtype: dict[str, str], message: str, onnx: Made, steps: Steps
) -> None:
    """OpenVINO packs them, and numpy does not."""
    nodes = [helper.make_node("CastLike", ["x", "nothing"], ["y"])]
    dtypes = {"x": "float32", "nothing": "float32", **dtype}
    artifact = onnx(nodes, dtypes, {"y": dtypes["nothing"]})
    with pytest.raises(PluginError, match=message):
        steps.export(artifact, "ir-from-onnx")


@pytest.mark.parametrize("dtype", ["bfloat16", "float8_e4m3fn", "float8_e5m2"])
def test_narrow_floats_go_in_and_come_out_as_they_are(dtype: str, onnx: Made, steps: Steps) -> None:
    """OpenVINO's ``to_dtype`` calls them float16 and uint8."""
    kind = np.dtype(getattr(ml_dtypes, dtype))
    to = helper.np_dtype_to_tensor_dtype(kind)
    nodes = [
        helper.make_node("Cast", ["x"], ["wide"], to=TensorProto.FLOAT),
        helper.make_node("Cast", ["z"], ["narrow"], to=to),
    ]
    artifact = onnx(nodes, {"x": dtype, "z": "float32"}, {"wide": "float32", "narrow": dtype})
    x, z = ROW.astype(kind), (ROW / 2).astype(np.float32)
    for answer in _answers(artifact, steps, {"x": x, "z": z}):
        assert {name: array.dtype.name for name, array in answer.items()} == {
            "wide": "float32",
            "narrow": dtype,
        }
        np.testing.assert_array_equal(answer["wide"], ROW)
        np.testing.assert_array_equal(answer["narrow"].astype(np.float32), z)
    np.testing.assert_array_equal(x, ROW.astype(kind))


def test_every_dtype_has_one_name() -> None:
    ov = libraries.openvino()
    for dtype in ("bool", "float32", "int64", "uint8", "bfloat16", "float8_e8m0fnu"):
        made = ov.opset13.parameter(list(SHAPE), ports.element_type(dtype))
        assert ports.dtype(made.output(0)) == dtype
    packed = ov.opset13.parameter(list(SHAPE), ov.Type.i4)
    assert ports.dtype(packed.output(0)) == "i4"
