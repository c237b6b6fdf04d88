"""Reading graphs whose weights lie elsewhere, and counting what is in them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from core_plugin_onnxruntime import graph
from hwcore.contract import ArtifactCorrupt


def _model() -> onnx.ModelProto:
    """``y = (x @ w) @ w2``, with a branch that holds a tensor of its own and is never read."""
    rng = np.random.default_rng(0)
    weights = [
        numpy_helper.from_array(rng.normal(size=(16, 32)).astype(np.float32), "w"),
        numpy_helper.from_array(rng.normal(size=(32, 4)).astype(np.float32), "w2"),
        numpy_helper.from_array(np.asarray(0.5, np.float32), "scalar"),
        numpy_helper.from_array(np.asarray([1, 2], np.int64), "shape"),
    ]
    inner = numpy_helper.from_array(np.ones(8, np.float32), "inner")
    branches = [
        helper.make_graph(
            [helper.make_node("Foo", ["inner"], ["z"], domain="com.example")],
            name,
            [],
            [helper.make_tensor_value_info("z", TensorProto.FLOAT, [8])],
            [inner],
        )
        for name in ("then", "else")
    ]
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["h"]),
        helper.make_node("MatMul", ["h", "w2"], ["y"]),
        helper.make_node("Not", ["flag"], ["no"]),
        helper.make_node(
            "If", ["no"], ["unread"], then_branch=branches[0], else_branch=branches[1]
        ),
    ]
    made = helper.make_graph(
        nodes,
        "test",
        [
            helper.make_tensor_value_info("x", TensorProto.FLOAT, ["rows", 16]),
            helper.make_tensor_value_info("flag", TensorProto.BOOL, []),
        ],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["rows", 4])],
        weights,
        value_info=[helper.make_tensor_value_info("h", TensorProto.FLOAT, [None, 32])],
    )
    return helper.make_model(made)


def test_counts_what_is_in_the_graph_and_its_branches() -> None:
    model = _model()
    inside = 2 * 8
    assert graph.parameters(model) == 16 * 32 + 32 * 4 + inside
    assert graph.weight_bytes(model) == 4 * graph.parameters(model)
    assert graph.domains(model) == ("com.example",)
    assert graph.count(model) == {"MatMul": 2, "Not": 1, "If": 1, "com.example.Foo": 2}
    assert graph.quantized_operations(model) == 0


def test_shapes_tell_sizes_names_and_what_is_not_known() -> None:
    shapes = graph.shapes(_model())
    assert shapes == {"x": ("rows", 16), "flag": (), "h": (None, 32), "y": ("rows", 4)}


def test_narrow_weights_count_by_their_bits() -> None:
    model = _model()
    rng = np.random.default_rng(0)
    model.graph.initializer.append(
        numpy_helper.from_array(rng.integers(-8, 8, (5, 5)).astype(np.int8), "q8")
    )
    model.graph.initializer.append(
        helper.make_tensor("q4", TensorProto.INT4, [3, 3], np.zeros(9, np.int8))
    )
    before = graph.weight_bytes(_model())
    assert graph.weight_bytes(model) == before + 25 + 5  # nine halves of a byte


def test_dropping_keeps_what_outputs_need() -> None:
    model = _model()
    graph.drop_unused(model)
    assert [node.op_type for node in model.graph.node] == ["MatMul", "MatMul"]
    assert [tensor.name for tensor in model.graph.initializer] == ["w", "w2"]


def test_dropping_keeps_what_branches_read() -> None:
    model = _model()
    model.graph.output.append(helper.make_tensor_value_info("unread", TensorProto.FLOAT, [8]))
    for branch in model.graph.node[3].attribute:
        branch.g.node[0].input[0] = "h"
    graph.drop_unused(model)
    assert [node.op_type for node in model.graph.node] == ["MatMul", "MatMul", "Not", "If"]


def test_external_weights_are_read_through_hard_links(tmp_path: Path) -> None:
    """Which the onnx package refuses, and a file of an artifact may have."""
    expected = {t.name: numpy_helper.to_array(t) for t in _model().graph.initializer}
    folder, linked = tmp_path / "one", tmp_path / "other"
    folder.mkdir()
    linked.mkdir()
    big = _model()
    file = graph.save(big, folder)
    for path in folder.iterdir():
        (linked / path.name).hardlink_to(path)
    with pytest.raises(onnx.checker.ValidationError, match="hard links"):
        onnx.load(linked / file.name)
    model = graph.read(linked / file.name)
    assert {t.name: numpy_helper.to_array(t).tolist() for t in model.graph.initializer} == {
        name: array.tolist() for name, array in expected.items()
    }
    light = graph.read(linked / file.name, weights=False)
    assert graph.weight_bytes(light) == graph.weight_bytes(model)


def test_external_weights_that_are_gone_are_named(tmp_path: Path) -> None:
    file = graph.save(_model(), tmp_path)
    (tmp_path / graph.WEIGHTS).unlink()
    with pytest.raises(ArtifactCorrupt) as caught:
        graph.read(file)
    assert str(caught.value) == (
        f"{tmp_path}/model.onnx.data, which holds weights, cannot be read: "
        "No such file or directory"
    )


def test_external_weights_that_are_cut_off_are_named(tmp_path: Path) -> None:
    file = graph.save(_model(), tmp_path)
    with (tmp_path / graph.WEIGHTS).open("r+b") as data:
        data.truncate(100)
    with pytest.raises(
        ArtifactCorrupt, match=r"model\.onnx\.data ends in the middle of tensor 'w'"
    ):
        graph.read(file)


def test_external_weights_cannot_lie_outside(tmp_path: Path) -> None:
    file = graph.save(_model(), tmp_path)
    model = graph.read(file, weights=False)
    model.graph.initializer[0].external_data[0].value = "../secret"
    file.write_bytes(model.SerializeToString())
    with pytest.raises(ArtifactCorrupt, match=r"tensor 'w' lies outside, in '\.\./secret'"):
        graph.read(file)
