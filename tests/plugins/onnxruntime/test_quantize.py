"""Dynamic int8: what is quantized, how close it stays, what is claimed, with and without data."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing

import numpy as np
import pytest
from onnx import numpy_helper
from onnxruntime_steps import RecordingContext, Steps, cosine, torch_runner, worst_error

from core_plugin_onnxruntime import graph
from core_plugin_onnxruntime.options import QuantizeOptions
from core_plugin_onnxruntime.quantize import reduces_range
from hwcore.contract import Artifact, Cancelled, Dataset, PluginError, Target
from hwcore.data import batches

Source = Callable[..., Artifact]

PRODUCTS = 6
"""Matrix products in a layer of an encoder."""

PLAIN = Target(features=("avx2", "avx512f"))
VNNI = Target(features=("avx2", "avx512_vnni", "vnni"))


def _agreement(
    artifact: Artifact, source: Artifact, prose: Dataset, steps: Steps
) -> tuple[list[float], list[float]]:
    """Cosines of hidden states, and of the mean over tokens, with torch's, row by row."""
    truth = torch_runner(source)
    hidden, embedding = [], []
    with closing(steps.run(artifact)) as runner:
        for batch in batches(prose, "tune", batch_size=1):
            a, b = (call(batch.inputs)["last_hidden_state"] for call in (runner, truth))
            hidden.append(cosine(a, b))
            embedding.append(cosine(a.mean(axis=1), b.mean(axis=1)))
    return hidden, embedding


def test_sentence_embeddings_of_a_real_model_stay(
    minilm_source: Artifact, prose: Dataset, steps: Steps
) -> None:
    int8 = steps.do("int8-dynamic", steps.do("onnx", minilm_source))
    hidden, embedding = _agreement(int8, minilm_source, prose, steps)
    assert np.mean(hidden) >= 0.98
    assert np.mean(embedding) >= 0.99
    assert np.mean(hidden) < 0.9999  # it is not the float model by mistake


def test_smoothing_brings_hidden_states_closer(
    minilm_source: Artifact, prose: Dataset, steps: Steps
) -> None:
    exported = steps.do("onnx", minilm_source)
    smooth = steps.do("int8-dynamic-smooth", exported, data=prose)
    hidden, embedding = _agreement(smooth, minilm_source, prose, steps)
    assert min(hidden) >= 0.99
    assert min(embedding) >= 0.99
    plain, _ = _agreement(steps.do("int8-dynamic", exported), minilm_source, prose, steps)
    assert 1 - np.mean(hidden) < 0.5 * (1 - np.mean(plain))


def test_facts_are_measured(minilm_source: Artifact, steps: Steps) -> None:
    exported = steps.do("onnx", minilm_source)
    int8 = steps.do("int8-dynamic", exported)
    facts = int8.manifest.facts
    assert facts["parameters"] == exported.manifest.facts["parameters"]
    model = graph.read(int8.component_file(), weights=False)
    assert facts["ops_quantized"] == graph.count(model)["MatMulInteger"] == 6 * PRODUCTS
    # All but the embeddings in 8 bits, with a float scale and a zero point for each column.
    shapes = [tensor.dims for tensor in graph.read(exported.component_file()).graph.initializer]
    matrices = sum(d[0] * d[1] for d in shapes if len(d) == 2 and {*d} <= {384, 1536})
    assert facts["weight_bytes"] == pytest.approx(
        exported.manifest.facts["weight_bytes"] - 3 * matrices, rel=0.005
    )
    assert facts["bits_per_weight"] == 8 * facts["weight_bytes"] / facts["parameters"]
    assert int8.size_bytes == pytest.approx(facts["weight_bytes"], rel=0.01)
    assert int8.traits.quantization == "int8-dynamic"
    assert int8.traits.op_domains == graph.domains(model) == ()


def test_weights_have_a_scale_for_each_column(tiny_source: Source, steps: Steps) -> None:
    exported = steps.do("onnx", tiny_source("bert"))
    scales = {}
    for per_channel in (True, False):
        int8 = steps.do("int8-dynamic", exported, per_channel=per_channel)
        scales[per_channel] = [
            list(tensor.dims)
            for tensor in graph.read(int8.component_file()).graph.initializer
            if tensor.name.endswith("_scale")
        ]
    assert sorted(scales[True]) == [[32]] * 10 + [[64]] * 2
    assert all(dims in ([], [1]) for dims in scales[False])


def test_attention_and_the_head_stay_in_floating_point(tiny_source: Source, steps: Steps) -> None:
    exported = steps.do("onnx", tiny_source("distilbert"))
    int8 = steps.do("int8-dynamic", exported)
    before, after = (graph.count(graph.read(a.component_file())) for a in (exported, int8))
    assert after["MatMulInteger"] == before["MatMul"] == 2 * PRODUCTS
    assert after["Attention"] == before["Attention"] == 2
    assert after["MatMul"] == before["Gemm"] == 2  # ONNX Runtime writes it so


def test_a_named_node_is_left_out(tiny_source: Source, steps: Steps) -> None:
    exported = steps.do("onnx", tiny_source("bert"))
    names = [
        node.name
        for node in graph.read(exported.component_file()).graph.node
        if node.op_type == "MatMul"
    ]
    int8 = steps.do("int8-dynamic", exported, nodes_to_exclude=names[:3])
    assert int8.manifest.facts["ops_quantized"] == 2 * PRODUCTS - 3


@pytest.mark.parametrize(
    ("target", "asked", "expected"),
    [
        (PLAIN, None, True),
        (VNNI, None, False),
        (Target(features=("dotprod", "vnni")), None, False),
        (Target(), None, False),  # an Arm without dot products adds up in 32 bits
        (PLAIN, False, False),
        (VNNI, True, True),
    ],
)
def test_range_is_reduced_where_sums_saturate(
    target: Target, asked: bool | None, expected: bool
) -> None:
    assert reduces_range(QuantizeOptions(reduce_range=asked), target) is expected


def test_the_targets_range_reaches_the_weights(tiny_source: Source, steps: Steps) -> None:
    exported = steps.do("onnx", tiny_source("bert"))
    largest = {}
    for target in (PLAIN, VNNI):
        int8 = steps.do("int8-dynamic", exported, target=target)
        tensors = graph.read(int8.component_file()).graph.initializer
        weights = [numpy_helper.to_array(t) for t in tensors if t.name.endswith("_quantized")]
        largest[target.fingerprint] = max(int(np.abs(w.astype(int)).max()) for w in weights)
    assert largest == {PLAIN.fingerprint: 64, VNNI.fingerprint: 127}


@pytest.mark.parametrize("weight_type", ["int8", "uint8"])
def test_either_type_of_weight_stays_close(
    weight_type: str, tiny_source: Source, steps: Steps
) -> None:
    source = tiny_source("vit")
    int8 = steps.do("int8-dynamic", steps.do("onnx", source), weight_type=weight_type)
    with closing(steps.run(int8)) as runner:
        signature = source.component().signature
        assert 0 < worst_error(runner, torch_runner(source), signature) < 0.3


def test_a_model_with_nothing_to_quantize_is_an_error(tiny_source: Source, steps: Steps) -> None:
    exported = steps.do("onnx", tiny_source("bert"))
    names = [node.name for node in graph.read(exported.component_file()).graph.node]
    with pytest.raises(PluginError) as caught:
        steps.do("int8-dynamic", exported, nodes_to_exclude=names)
    assert str(caught.value) == (
        "the model has no matrix product with constant weights to quantize"
    )


def test_smoothing_needs_data(tiny_source: Source, steps: Steps) -> None:
    with pytest.raises(PluginError, match="it was given no calibration rows"):
        steps.do("int8-dynamic-smooth", steps.do("onnx", tiny_source("bert")))


def test_smoothing_stops_when_asked(minilm_source: Artifact, prose: Dataset, steps: Steps) -> None:
    exported = steps.do("onnx", minilm_source)
    ctx = RecordingContext(stop_after=3)
    with pytest.raises(Cancelled, match="quantization was stopped"):
        steps.do("int8-dynamic-smooth", exported, data=prose, ctx=ctx)
    assert ctx.asked == 4


def test_the_source_is_untouched_and_nothing_is_left_behind(
    tiny_source: Source, steps: Steps
) -> None:
    exported = steps.do("onnx", tiny_source("bert"))
    before = {path.name: path.stat() for path in exported.path.iterdir()}
    int8 = steps.do("int8-dynamic", exported, again=True)
    assert {path.name: path.stat() for path in exported.path.iterdir()} == before
    assert {path.name for path in int8.path.iterdir()} == {"artifact.json", "model.onnx"}


def test_equal_models_give_equal_bytes(tiny_source: Source, steps: Steps) -> None:
    exported = steps.do("onnx", tiny_source("bert"))
    one, other = (steps.do("int8-dynamic", exported, again=again) for again in (False, True))
    assert one.digest == other.digest


def test_it_is_quiet(tiny_source: Source, steps: Steps, capfd: pytest.CaptureFixture[str]) -> None:
    exported = steps.do("onnx", tiny_source("bert"))
    capfd.readouterr()
    ctx = RecordingContext()
    steps.do("int8-dynamic", exported, ctx=ctx)
    assert capfd.readouterr() == ("", "")
    assert ctx.lines == []
    assert ctx.fractions == sorted(ctx.fractions)
