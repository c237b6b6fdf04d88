"""SmoothQuant's arithmetic, held against the paper's."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from core_plugin_onnxruntime import graph, smooth

RNG = np.random.default_rng(0)
W1, W2, W3 = (RNG.normal(size=size).astype(np.float32) for size in ((6, 5), (6, 3), (5, 2)))


def _model() -> onnx.ModelProto:
    """Two products of ``x``, which the output reads as well, and one of their sum's relu."""
    nodes = [
        helper.make_node("MatMul", ["x", "w1"], ["a"]),
        helper.make_node("MatMul", ["x", "w2"], ["b"]),
        helper.make_node("Relu", ["a"], ["r"]),
        helper.make_node("MatMul", ["r", "w3"], ["c"]),
        helper.make_node("Concat", ["x", "b", "c"], ["y"], axis=-1),
    ]
    made = helper.make_graph(
        nodes,
        "test",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["rows", 6])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["rows", 11])],
        [numpy_helper.from_array(w, name) for w, name in ((W1, "w1"), (W2, "w2"), (W3, "w3"))],
    )
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


def _session(model: onnx.ModelProto) -> Any:
    return onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )


def test_scales_are_the_papers() -> None:
    activation = np.asarray([10.0, 0.1, 1.0], np.float32)
    weight = np.asarray([0.5, 2.0, 1.0], np.float32)
    expected = activation**0.7 / weight**0.3
    actual = smooth.scales(activation, weight, alpha=0.7)
    np.testing.assert_allclose(actual / actual[2], expected / expected[2], rtol=1e-6)
    assert np.prod(actual.astype(np.float64)) == pytest.approx(1)
    assert actual.dtype == np.float32


def test_a_channel_that_is_never_used_is_no_trouble() -> None:
    zero = np.zeros(3, np.float32)
    assert np.isfinite(smooth.scales(zero, np.ones(3, np.float32), alpha=0.5)).all()
    assert np.isfinite(smooth.scales(np.ones(3, np.float32), zero, alpha=0.5)).all()


def test_products_are_found_by_what_they_read() -> None:
    found = graph.products(_model())
    assert {name: [node.output[0] for node in nodes] for name, nodes in found.items()} == {
        "x": ["a", "b"],
        "r": ["c"],
    }


def test_largest_is_over_rows_and_all_but_the_last_axis() -> None:
    class Session:
        def run(self, names: list[str], feed: dict[str, np.ndarray]) -> list[np.ndarray]:
            return [feed["x"] for _ in names]

    rows = [
        {"x": np.asarray([[[1.0, -5.0]], [[2.0, 0.0]]])},
        {"x": np.asarray([[[-3.0, 4.0]]])},
    ]
    [peak] = smooth.largest(Session(), ["h"], rows).values()
    assert peak.tolist() == [3.0, 5.0]


def test_a_smoothed_model_computes_the_same() -> None:
    x = (RNG.normal(size=(40, 6)) * [1, 50, 1, 0.01, 1, 1]).astype(np.float32)
    model = _model()
    [expected] = _session(model).run(None, {"x": x})
    peaks = {"x": np.abs(x).max(axis=0), "r": np.maximum(x @ W1, 0).max(axis=0)}
    smooth.apply(model, peaks, alpha=0.8)
    onnx.checker.check_model(model)
    assert [node.op_type for node in model.graph.node].count("Mul") == 2
    [actual] = _session(model).run(None, {"x": x})
    np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=1e-4)


def test_smoothing_levels_the_channels() -> None:
    x = (RNG.normal(size=(40, 6)) * [1, 50, 1, 0.01, 1, 1]).astype(np.float32)
    model = _model()
    peaks = {"x": np.abs(x).max(axis=0), "r": np.ones(5, np.float32)}
    smooth.apply(model, peaks, alpha=1.0)
    weights = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}
    divided = x * weights["x_smoothing"]
    after = np.abs(divided).max(axis=0)
    np.testing.assert_allclose(after, after[0], rtol=1e-5)
    np.testing.assert_allclose(divided @ weights["a_weight"], x @ W1, rtol=1e-4, atol=1e-4)
