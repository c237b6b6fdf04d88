"""Static int8 as ONNX: the same answers as the torch program, from standard operators."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import models
import numpy as np
import onnx
import onnxruntime
import pytest
from intel_steps import RecordingContext, Steps, loaded, tensors

from core_plugin_intel.libraries import require
from hwcore.contract import Artifact, Dataset, PluginError, UserError
from hwcore.data import batches

Source = Callable[..., Artifact]
Data = Callable[..., Dataset]


@pytest.mark.parametrize("family", ["bert", "vit"])
def test_onnx_runtime_answers_as_torch_does(
    family: models.Family, tiny_source: Source, tiny_data: Data, steps: Steps
) -> None:
    source, data = tiny_source(family), tiny_data(family)
    made = steps("onnx-int8", source, data)
    assert (made.format, made.traits.quantization) == ("onnx", "int8-static")
    assert made.traits.op_domains == ()
    model = onnx.load(made.component_file())
    assert {node.domain for node in model.graph.node} <= {"", "ai.onnx"}
    counts = Counter(node.op_type for node in model.graph.node)
    assert counts["DequantizeLinear"] > counts["QuantizeLinear"] > 0
    eight = [t for t in model.graph.initializer if t.data_type == onnx.TensorProto.INT8]
    assert len([t for t in eight if len(t.dims) >= 2]) >= 14
    assert made.manifest.facts["ops_quantized"] == 14
    session = onnxruntime.InferenceSession(
        made.component_file(), providers=["CPUExecutionProvider"]
    )
    assert [i.name for i in session.get_inputs()] == [
        spec.name for spec in source.component().signature.inputs
    ]
    program = loaded(steps("int8-static", source, data))
    for batch in batches(data, "calibration", batch_size=3, limit=6):
        (found,) = session.run(["logits"], dict(batch.inputs))
        expected = program(*tensors(source, batch.inputs))[0].detach().numpy()
        # Values on the border of two steps may be rounded the other way.
        assert np.linalg.norm(found - expected) < 0.05 * np.linalg.norm(expected)


@pytest.mark.parametrize("capability", ["onnx-int8", "onnx-int8-tuned"])
def test_bfloat16_is_refused(
    capability: str, tiny_source: Source, tiny_data: Data, steps: Steps
) -> None:
    with pytest.raises(UserError, match="bf16_layers asks for products in bfloat16") as caught:
        steps(capability, tiny_source("bert"), tiny_data("bert"), bf16_layers=["classifier"])
    assert "float_layers" in str(caught.value.hint)


def test_onnx_runtime_has_no_products_in_bfloat16() -> None:
    """Else there were no reason to refuse them."""
    types = {"elem_type": onnx.TensorProto.BFLOAT16, "shape": [2, 2]}
    x, y, z = (onnx.helper.make_tensor_value_info(name, **types) for name in "xyz")
    node = onnx.helper.make_node("MatMul", ["x", "y"], ["z"])
    graph = onnx.helper.make_graph([node], "product", [x, y], [z])
    model = onnx.helper.make_model(
        graph, opset_imports=[onnx.helper.make_opsetid("", 21)], ir_version=10
    )
    with pytest.raises(Exception, match="Could not find an implementation for MatMul"):
        onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])


def test_leaving_every_layer_is_refused(tiny_source: Source, tiny_data: Data, steps: Steps) -> None:
    with pytest.raises(PluginError, match="there is no layer left to quantize"):
        steps("onnx-int8", tiny_source("bert"), tiny_data("bert"), float_layers=[".*"])


def test_a_tuned_model_is_run_by_onnx_runtime(
    tiny_source: Source, tiny_data: Data, steps: Steps
) -> None:
    """A layer is left in float32, as in the torch program of the same trials."""
    source, data = tiny_source("bert"), tiny_data("bert")

    def tuned(capability: str) -> Artifact:
        scores = iter([1.0, 0.5, 1.0])
        ctx = RecordingContext(scoring=lambda predict: next(scores))
        return steps(capability, source, data, ctx, try_smoothing=False)

    made, program = tuned("onnx-int8-tuned"), tuned("int8-tuned")
    assert (made.format, made.traits.quantization) == ("onnx", "int8-static")
    assert made.manifest.facts["ops_quantized"] == program.manifest.facts["ops_quantized"] == 13
    session = onnxruntime.InferenceSession(
        made.component_file(), providers=["CPUExecutionProvider"]
    )
    module = loaded(program)
    for batch in batches(data, "calibration", batch_size=3, limit=6):
        (found,) = session.run(["logits"], dict(batch.inputs))
        expected = module(*tensors(source, batch.inputs))[0].detach().numpy()
        assert np.linalg.norm(found - expected) < 0.05 * np.linalg.norm(expected)


def test_a_configuration_of_tuning_is_taken_for_either_format(
    tiny_source: Source, tiny_data: Data, steps: Steps
) -> None:
    config = {"tuning": {"accuracy_criterion": {"relative": 0.9}}, "quantization": {}}
    scores = iter([1.0, 0.2])
    ctx = RecordingContext(scoring=lambda predict: next(scores))
    steps("onnx-int8-tuned", tiny_source("bert"), tiny_data("bert"), ctx, config=config)
    assert [level for level, _ in ctx.lines] == ["info"]


def test_it_says_what_is_not_installed() -> None:
    with pytest.raises(UserError, match="writing ONNX needs nowhere_lib, which is not") as caught:
        require("nowhere_lib", "writing ONNX")
    assert caught.value.hint == 'Install it: pip install "core-plugin-intel[build]"'
