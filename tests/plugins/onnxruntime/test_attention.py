"""Flattening attention: what is rewritten, what is left alone, and that it computes the same."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from core_plugin_onnxruntime import attention, graph

HEADS, SIZE, WIDTH = 4, 8, 32


def _model(
    *, split_axis_known: bool = True, perm: tuple[int, ...] = (0, 2, 1, 3), peek: bool = False
) -> onnx.ModelProto:
    """Attention over ``x`` as queries, keys and values, in the form that exporters write."""
    nodes, infos = [], []
    batch = "batch" if split_axis_known else None
    for part in "qkv":
        nodes += [
            helper.make_node("MatMul", ["x", f"w_{part}"], [f"{part}_flat"]),
            helper.make_node("Reshape", [f"{part}_flat", "split"], [f"{part}_split"]),
            helper.make_node("Transpose", [f"{part}_split"], [f"{part}_heads"], perm=perm),
        ]
        flat, split = [batch, "sequence", WIDTH], [batch, "sequence", HEADS, SIZE]
        infos += [
            helper.make_tensor_value_info(f"{part}_flat", TensorProto.FLOAT, flat),
            helper.make_tensor_value_info(f"{part}_split", TensorProto.FLOAT, split),
        ]
    nodes += [
        helper.make_node("Attention", ["q_heads", "k_heads", "v_heads", "mask"], ["attended"]),
        helper.make_node("Transpose", ["attended"], ["swapped"], perm=perm),
        helper.make_node("Reshape", ["swapped", "merge"], ["y"]),
    ]
    infos.append(
        helper.make_tensor_value_info(
            "swapped", TensorProto.FLOAT, [batch, "sequence", HEADS, SIZE]
        )
    )
    outputs = [helper.make_tensor_value_info("y", TensorProto.FLOAT, [batch, "sequence", WIDTH])]
    if peek:
        outputs.append(
            helper.make_tensor_value_info("attended", TensorProto.FLOAT, [None, HEADS, None, SIZE])
        )
    rng = np.random.default_rng(0)
    weights = [
        numpy_helper.from_array(rng.normal(size=(WIDTH, WIDTH)).astype(np.float32), f"w_{part}")
        for part in "qkv"
    ]
    made = helper.make_graph(
        nodes,
        "test",
        [
            helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", "sequence", WIDTH]),
            helper.make_tensor_value_info("mask", TensorProto.BOOL, ["batch", 1, "s", "t"]),
        ],
        outputs,
        [
            *weights,
            numpy_helper.from_array(np.asarray([0, 0, HEADS, SIZE], np.int64), "split"),
            numpy_helper.from_array(np.asarray([0, 0, WIDTH], np.int64), "merge"),
        ],
        value_info=infos,
    )
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", 23)], ir_version=10)


def _outputs(model: onnx.ModelProto) -> list[np.ndarray]:
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    rng = np.random.default_rng(1)
    mask = np.ones((3, 1, 7, 7), bool)
    mask[1, :, :, 4:] = False
    x = rng.normal(size=(3, 7, WIDTH)).astype(np.float32)
    return session.run(None, {"x": x, "mask": mask})


def test_the_flat_form_computes_the_same_with_fewer_nodes() -> None:
    model = _model()
    [expected] = _outputs(model)
    assert attention.flatten(model) == 1
    onnx.checker.check_model(model)
    assert graph.count(model) == {"MatMul": 3, "Attention": 1}
    [actual] = _outputs(model)
    np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-5)


def test_it_rewrites_nothing_twice() -> None:
    model = _model()
    attention.flatten(model)
    assert attention.flatten(model) == 0


@pytest.mark.parametrize(
    "model",
    [
        pytest.param(_model(peek=True), id="its heads are an output"),
        pytest.param(_model(split_axis_known=False), id="dimensions are not known"),
        pytest.param(_model(perm=(0, 2, 3, 1)), id="another permutation"),
    ],
)
def test_anything_else_is_left_alone(model: onnx.ModelProto) -> None:
    before = model.SerializeToString(deterministic=True)
    assert attention.flatten(model) == 0
    assert model.SerializeToString(deterministic=True) == before


def test_an_operator_of_that_name_in_another_domain_is_left_alone() -> None:
    model = _model()
    next(node for node in model.graph.node if node.op_type == "Attention").domain = "com.microsoft"
    assert attention.flatten(model) == 0


def test_attention_with_a_cache_is_left_alone() -> None:
    model = _model()
    node = next(node for node in model.graph.node if node.op_type == "Attention")
    node.output.extend(["present_key", "present_value"])
    assert attention.flatten(model) == 0
