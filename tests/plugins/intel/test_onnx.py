"""Static int8 as ONNX: the same answers as the torch program, from standard operators."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import models
import numpy as np
import onnx
import onnxruntime
import pytest
from intel_steps import Steps, loaded, tensors

from core_plugin_intel.libraries import require
from hwcore.contract import Artifact, Dataset, UserError
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


def test_it_says_what_is_not_installed() -> None:
    with pytest.raises(UserError, match="writing ONNX needs nowhere_lib, which is not") as caught:
        require("nowhere_lib", "writing ONNX")
    assert caught.value.hint == 'Install it: pip install "core-plugin-intel[build]"'
