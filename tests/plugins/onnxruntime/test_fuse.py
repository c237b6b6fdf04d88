"""Compile: fusions fire, change nothing, and leave files that stand on their own."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import models
import numpy as np
import pytest
from onnx import TensorProto, helper, save
from onnxruntime_steps import MANIFEST, RecordingContext, Steps, torch_runner, worst_error

from core_plugin_onnxruntime import graph
from hwcore.artifacts import seal
from hwcore.contract import (
    Artifact,
    Component,
    Draft,
    LineageStep,
    Signature,
    TensorSpec,
    Traits,
)

Source = Callable[..., Artifact]

LAYERS = 2


@pytest.mark.parametrize("family", models.FAMILIES)
def test_a_fused_model_equals_torch(
    family: models.Family, tiny_source: Source, steps: Steps
) -> None:
    source = tiny_source(family)
    fused = steps.do("fused", steps.do("onnx", source))
    with closing(steps.run(fused)) as runner:
        signature = source.component().signature
        assert worst_error(runner, torch_runner(source), signature) < 1e-4


@pytest.mark.parametrize("family", models.FAMILIES)
def test_fusions_fire_in_every_layer_and_are_counted(
    family: models.Family, tiny_source: Source, steps: Steps
) -> None:
    exported = steps.do("onnx", tiny_source(family))
    fused = steps.do("fused", exported)
    before, after = (graph.count(graph.read(a.component_file())) for a in (exported, fused))
    assert before["com.microsoft.BiasGelu"] == 0
    assert after["com.microsoft.BiasGelu"] == LAYERS
    # Queries, keys, values and what comes out: all that is left is the one of ViT's patches.
    assert before["Transpose"] >= 4 * LAYERS
    assert after["Transpose"] == before["Transpose"] - 4 * LAYERS
    fusions = fused.manifest.facts["fusions"]
    assert isinstance(fusions, dict)
    assert {name: fusions[name] for name in ("Attention", "BiasGelu")} == {
        "Attention": LAYERS,
        "BiasGelu": LAYERS,
    }
    assert fused.traits.stage == "fused"
    assert fused.traits.op_domains == ("com.microsoft",)
    assert fused.traits.bound_to is None


def test_the_slow_kernel_is_left_out_unless_asked_for(tiny_source: Source, steps: Steps) -> None:
    exported = steps.do("onnx", tiny_source("bert"))
    for options, expected in (({}, 0), ({"disabled_optimizers": []}, 2 * LAYERS)):
        fused = steps.do("fused", exported, **options)
        counts = graph.count(graph.read(fused.component_file()))
        assert counts["com.microsoft.SkipLayerNormalization"] == expected


def test_a_quantized_model_gets_its_integer_kernels(tiny_source: Source, steps: Steps) -> None:
    exported = steps.do("onnx", tiny_source("bert"))
    int8 = steps.do("int8-dynamic", exported)
    fused = steps.do("fused", int8)
    counts = graph.count(graph.read(fused.component_file()))
    assert counts["MatMulInteger"] == 0
    assert counts["com.microsoft.DynamicQuantizeMatMul"] == 3 * LAYERS
    # Queries, keys and values share one quantized input.
    assert counts["com.microsoft.MatMulIntegerToFloat"] == 3 * LAYERS
    assert fused.traits.quantization == "int8-dynamic"
    for fact in ("ops_quantized", "weight_bytes", "bits_per_weight", "parameters"):
        assert fused.manifest.facts[fact] == int8.manifest.facts[fact]
    with closing(steps.run(int8)) as one, closing(steps.run(fused)) as other:
        assert worst_error(one, other, exported.component().signature) < 1e-4


def test_options_turn_it_off(tiny_source: Source, steps: Steps) -> None:
    exported = steps.do("onnx", tiny_source("bert"))
    fused = steps.do("fused", exported, attention=False, level="basic")
    assert fused.manifest.facts["fusions"] == {}
    assert fused.traits.op_domains == ()
    before, after = (graph.count(graph.read(a.component_file())) for a in (exported, fused))
    assert after["Transpose"] == before["Transpose"]


def test_weights_lie_beside_the_graph_above_the_limit(tiny_source: Source, steps: Steps) -> None:
    source = tiny_source("bert")
    exported = steps.do("onnx", source)
    fused = steps.do("fused", exported, external_data_above=0)
    int8 = steps.do("int8-dynamic", exported, external_data_above=0)
    both = steps.do("fused", int8, external_data_above=0)
    for artifact, bound in ((fused, 1e-4), (int8, 0.5), (both, 0.5)):
        assert set(artifact.manifest.files) == {"model.onnx", "model.onnx.data"}
        modes = {(artifact.path / name).stat().st_mode for name in artifact.manifest.files}
        assert len(modes) == 1  # who may read one may read the other
        with closing(steps.run(artifact)) as runner:
            signature = source.component().signature
            assert worst_error(runner, torch_runner(source), signature) < bound


def test_only_domains_in_use_are_imported(tiny_source: Source, steps: Steps) -> None:
    fused = steps.do("fused", steps.do("onnx", tiny_source("bert")))
    model = graph.read(fused.component_file())
    assert {entry.domain for entry in model.opset_import} == {"", "com.microsoft"}


def test_equal_models_give_equal_bytes(tiny_source: Source, steps: Steps) -> None:
    exported = steps.do("onnx", tiny_source("bert"))
    assert steps.do("fused", exported).digest == steps.do("fused", exported, again=True).digest


def test_it_is_quiet(tiny_source: Source, steps: Steps, capfd: pytest.CaptureFixture[str]) -> None:
    exported = steps.do("onnx", tiny_source("bert"))
    capfd.readouterr()
    steps.do("fused", exported, ctx=RecordingContext())
    assert capfd.readouterr() == ("", "")


def test_operators_of_classical_models_pass_through(
    tiny_source: Source, steps: Steps, tmp_path: Path
) -> None:
    """Of the domain ``ai.onnx.ml``, which the runner takes as well."""
    nodes = [
        helper.make_node("Binarizer", ["x"], ["bits"], domain="ai.onnx.ml", threshold=0.5),
        helper.make_node("Relu", ["bits"], ["y"]),
    ]
    ports = [[helper.make_tensor_value_info(name, TensorProto.FLOAT, [2])] for name in ("x", "y")]
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("ai.onnx.ml", 3)]
    made = helper.make_graph(nodes, "test", *ports)
    save(helper.make_model(made, opset_imports=opsets, ir_version=9), tmp_path / "model.onnx")
    x, y = (TensorSpec(name=name, dtype="float32", shape=(2,)) for name in ("x", "y"))
    draft = Draft(
        format="onnx",
        traits=Traits(op_domains=("ai.onnx.ml",)),
        components={
            "model": Component(signature=Signature(inputs=(x,), outputs=(y,)), file="model.onnx")
        },
        facts={"parameters": 0},
    )
    step = LineageStep(hook="export", plugin="other", version="0", capability="onnx")
    artifact = seal(tmp_path, draft, tiny_source("bert"), step)
    for row in ("fused", "cpu"):
        (capability,) = (c for c in MANIFEST.capabilities if c.id == row)
        (pattern,) = capability.inputs
        assert pattern.mismatch(artifact.format, artifact.traits, None) is None
    fused = steps.do("fused", artifact)
    assert fused.traits.op_domains == ("ai.onnx.ml",)
    with closing(steps.run(fused)) as runner:
        assert runner({"x": np.array([0, 1], np.float32)})["y"].tolist() == [0, 1]
