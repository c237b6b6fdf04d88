"""Export to IR: equal to torch over unlike shapes, for each family, and from ONNX."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import models
import numpy as np
import pytest
from openvino_steps import RecordingContext, Steps

from core_plugin_openvino import ir, libraries, plugin
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
from hwcore.data import example_inputs
from hwcore.transformers import read_source

SIZES = [(1, 1), (1, 7), (3, 16), (2, 33), (5, 62)]

Source = Callable[..., Artifact]


def _torch(source: Artifact, inputs: Mapping[str, Array]) -> dict[str, Array]:
    import torch

    from hwcore.transformers import load_module

    module = load_module(source)
    with torch.inference_mode():
        found = module(**{name: torch.from_numpy(array) for name, array in inputs.items()})
    specs = source.component().signature.outputs
    return {spec.name: array.numpy() for spec, array in zip(specs, found, strict=True)}


def _inputs(signature: Signature, batch: int, sequence: int, seed: int = 0) -> dict[str, Array]:
    wish = {"batch": batch, "sequence": sequence}
    return example_inputs(signature, {d.name: wish[d.name] for d in signature.dims}, seed=seed)


def _cases() -> list[tuple[models.Family, str]]:
    heads = dict.fromkeys(models.TEXT_FAMILIES, "text-classification")
    heads["vit"] = "image-classification"
    return [(f, task) for f in models.FAMILIES for task in (heads[f], "feature-extraction")]


@pytest.mark.parametrize(("family", "task"), _cases())
def test_equals_torch_over_unlike_shapes_with_padding(
    family: models.Family, task: str, tiny_source: Source, steps: Steps
) -> None:
    source = tiny_source(family, task)
    artifact = steps.export(source)
    runner = steps.run(artifact)
    for case, (batch, sequence) in enumerate(SIZES):
        inputs = _inputs(source.component().signature, batch, sequence, seed=case)
        actual = runner(inputs)
        for name, expected in _torch(source, inputs).items():
            np.testing.assert_allclose(actual[name], expected, rtol=0, atol=5e-5)


def test_the_signature_is_the_sources(tiny_source: Source, steps: Steps) -> None:
    source = tiny_source("bert")
    artifact = steps.export(source)
    assert artifact.component().signature == source.component().signature
    assert (artifact.format, artifact.traits) == ("openvino-ir", source.traits)
    assert set(artifact.manifest.files) == {"model.xml", "model.bin"}


@pytest.mark.parametrize("family", models.FAMILIES)
def test_names_and_dimensions_are_in_the_graph(
    family: models.Family, tiny_source: Source, steps: Steps
) -> None:
    artifact = steps.export(tiny_source(family))
    graph = libraries.core().read_model(artifact.component_file())
    signature = artifact.component().signature
    for ports, specs in ((graph.inputs, signature.inputs), (graph.outputs, signature.outputs)):
        assert [port.get_names() for port in ports] == [{spec.name} for spec in specs]
    for port, spec in zip(graph.inputs, signature.inputs, strict=True):
        dynamic = [dimension.is_dynamic for dimension in port.get_partial_shape()]
        assert dynamic == [isinstance(size, str) for size in spec.shape]


def test_padding_does_not_leak(tiny_source: Source, steps: Steps) -> None:
    runner = steps.run(steps.export(tiny_source("bert", "feature-extraction")))
    inputs = _inputs(runner.signature, 1, 9)
    inputs["attention_mask"][:] = 1
    alone = runner(inputs)["last_hidden_state"]
    rng = np.random.default_rng(1)
    padded = {
        name: np.concatenate([array, rng.integers(0, 2, (1, 20))], axis=1)
        for name, array in inputs.items()
    }
    padded["attention_mask"][:, 9:] = 0
    beside = {name: np.repeat(array, 3, axis=0) for name, array in padded.items()}
    np.testing.assert_allclose(
        runner(beside)["last_hidden_state"][1, :9], alone[0], rtol=0, atol=5e-6
    )


def test_weights_stay_in_float32_and_are_counted(tiny_source: Source, steps: Steps) -> None:
    source = tiny_source("bert")
    artifact = steps.export(source)
    facts = artifact.manifest.facts
    assert artifact.manifest.files["model.bin"].size >= facts["weight_bytes"]  # type: ignore[operator]
    assert facts["parameters"] == source.manifest.facts["parameters"]
    assert facts["weight_bytes"] == 4 * facts["parameters"]  # type: ignore[operator]
    assert (facts["bits_per_weight"], facts["ops_quantized"]) == (32, 0)


def test_two_exports_are_equal_to_the_byte(tiny_source: Source, steps: Steps) -> None:
    source = tiny_source("bert")
    assert steps.export(source, ctx=RecordingContext()).digest == steps.export(source).digest


def test_export_says_nothing(
    tiny_source: Source, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    ctx = RecordingContext()
    capfd.readouterr()
    plugin.export(source=tiny_source("vit"), capability="ir", out=tmp_path, ctx=ctx)
    assert capfd.readouterr() == ("", "")
    assert ctx.fractions == sorted(ctx.fractions)
    assert ctx.lines == []


@pytest.fixture(scope="module")
def onnx(tiny_source: Source, tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    """A tiny BERT as an ONNX artifact, its weights in a file of their own."""
    import warnings

    import torch

    from hwcore.artifacts import seal
    from hwcore.transformers import load_module

    source = tiny_source("bert")
    signature = source.component().signature
    folder = tmp_path_factory.mktemp("onnx")
    example = {n: torch.from_numpy(a) for n, a in example_inputs(signature).items()}
    axes = {0: torch.export.Dim.DYNAMIC, 1: torch.export.Dim.DYNAMIC}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's own
        torch.onnx.export(
            load_module(source),
            tuple(example.values()),
            folder / "model.onnx",
            dynamo=True,
            external_data=True,
            input_names=list(example),
            output_names=["logits"],
            dynamic_shapes=tuple(axes for _ in example),
            verbose=False,
        )
    draft = Draft(
        format="onnx",
        components={"model": Component(signature=signature, file="model.onnx")},
    )
    step = LineageStep(hook="export", plugin="onnxruntime", version="0", capability="onnx")
    return seal(folder, draft, source, step)


def test_from_onnx_equals_torch(onnx: Artifact, tiny_source: Source, steps: Steps) -> None:
    artifact = steps.export(onnx, "ir-from-onnx")
    assert artifact.component().signature == onnx.component().signature
    runner = steps.run(artifact)
    for case, (batch, sequence) in enumerate(SIZES):
        inputs = _inputs(runner.signature, batch, sequence, seed=case)
        expected = _torch(tiny_source("bert"), inputs)["logits"]
        np.testing.assert_allclose(runner(inputs)["logits"], expected, rtol=0, atol=5e-5)


def test_from_onnx_needs_neither_torch_nor_onnx(onnx: Artifact, tmp_path: Path) -> None:
    script = f"""
import sys
from pathlib import Path
for name in ("torch", "onnx", "transformers", "nncf"):
    sys.modules[name] = None  # importing it fails
from core_plugin_openvino import plugin
from hwcore.artifacts import read_artifact
class Silent:
    seed, threads = 0, 1
    def progress(self, fraction, message=""): pass
plugin.export(source=read_artifact(Path({str(onnx.path)!r})), capability="ir-from-onnx",
              out=Path({str(tmp_path)!r}), ctx=Silent())
"""
    subprocess.run([sys.executable, "-c", script], check=True)
    assert (tmp_path / "model.xml").is_file()


def _graph(inputs: int, dtype: Any = np.float32) -> Any:
    ov = libraries.openvino()
    op = ov.opset13
    parameters = [op.parameter([2, 3], dtype) for _ in range(inputs)]
    result = parameters[0] if inputs == 1 else op.add(*parameters)
    return ov.Model([op.relu(result)], parameters, "test")


def _signature(*names: str, dtype: str = "float32") -> Signature:
    inputs = tuple(TensorSpec(name=name, dtype=dtype, shape=(2, 3)) for name in names)
    return Signature(inputs=inputs, outputs=(TensorSpec(name="y", dtype=dtype, shape=(2, 3)),))


def test_a_graph_that_lost_an_input_is_refused() -> None:
    with pytest.raises(PluginError, match="OpenVINO made a graph of 1 inputs, expected a, b"):
        ir.adopt(_graph(1), _signature("a", "b"))


def test_a_graph_of_another_dtype_is_refused() -> None:
    with pytest.raises(PluginError, match="OpenVINO made a float32, expected float64"):
        ir.adopt(_graph(1), _signature("a", dtype="float64"))


def test_ports_are_found_by_name_before_order() -> None:
    graph = _graph(2)
    graph.inputs[0].get_tensor().set_names({"b"})
    graph.inputs[1].get_tensor().set_names({"a"})
    ir.adopt(graph, _signature("a", "b"))
    assert [port.get_any_name() for port in graph.inputs] == ["b", "a"]


@pytest.mark.slow
def test_exporting_bert_base_takes_little_memory(tmp_path: Path) -> None:
    """At most 2.5 times the weights above the process that has imported the libraries."""
    script = f"""
import sys
from pathlib import Path
sys.path.insert(0, {str(Path(models.__file__).parent)!r})
import torch, transformers
from core_plugin_openvino import libraries, plugin
from hwcore.transformers import read_source
import transformers.models.bert.modeling_bert
libraries.openvino()
def status(key):
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(key))
class Silent:
    seed, threads = 0, 2
    def progress(self, fraction, message=""): pass
root = Path({str(tmp_path)!r})
source = read_source(root / "bert", into=root / "source")
before = status("VmRSS")
(root / "ir").mkdir()
plugin.export(source=source, capability="ir", out=root / "ir", ctx=Silent())
print((status("VmHWM") - before) / source.manifest.facts["weight_bytes"])
"""
    _bert_base(tmp_path / "bert")
    done = subprocess.run(
        [sys.executable, "-c", script], check=True, capture_output=True, text=True
    )
    assert float(done.stdout) <= 2.5


def _bert_base(folder: Path) -> None:
    import torch
    import transformers

    torch.manual_seed(0)
    model = transformers.BertModel(transformers.BertConfig(), add_pooling_layer=False)
    model.save_pretrained(folder)
    (models.tiny("bert", folder / "tiny") / "tokenizer.json").rename(folder / "tokenizer.json")


def test_what_layers_share_is_stored_once(tmp_path: Path, steps: Steps) -> None:
    source = read_source(models.albert(tmp_path / "model"), into=tmp_path / "source")
    parameters = float(str(source.manifest.facts["parameters"]))
    stored = float(str(steps.export(source).manifest.facts["parameters"]))
    assert 0.95 < stored / parameters <= 1  # equal biases, such as zeros, are stored once, too
