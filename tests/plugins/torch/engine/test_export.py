"""Export: the model's own numbers at every size, and a file with nothing of this machine in it."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import models
import numpy as np
import parts
import pytest
import torch
from engine_steps import SIZES, RecordingContext, Steps, inputs_of, program_of

from core_plugin_torch import plugin
from core_plugin_torch import program as programs
from core_plugin_torch.export import dynamic_shapes
from hwcore.contract import Array, Artifact, Cancelled, Dim, PluginError
from hwcore.transformers import load_module, read_source

Source = Callable[..., Artifact]


def _torch(source: Artifact, inputs: Mapping[str, Array]) -> dict[str, Array]:
    with torch.inference_mode():
        found = load_module(source)(*[torch.from_numpy(array) for array in inputs.values()])
    specs = source.component().signature.outputs
    return {spec.name: array.numpy() for spec, array in zip(specs, found, strict=True)}


def _cases() -> list[tuple[models.Family, str]]:
    heads = dict.fromkeys(models.TEXT_FAMILIES, "text-classification")
    heads["vit"] = "image-classification"
    return [(f, task) for f in models.FAMILIES for task in (heads[f], "feature-extraction")]


@pytest.mark.parametrize(("family", "task"), _cases())
def test_equals_torch_over_unlike_shapes_with_padding(
    family: models.Family, task: str, tiny_source: Source, steps: Steps
) -> None:
    source = tiny_source(family, task)
    artifact = steps("export", source)
    assert artifact.component().signature == source.component().signature
    assert (artifact.format, artifact.traits) == ("torch-export", source.traits)
    runner = steps.run(artifact)
    for case, (batch, sequence) in enumerate(SIZES):
        inputs = inputs_of(source.component().signature, batch, sequence, seed=case)
        actual = runner(inputs)
        for name, expected in _torch(source, inputs).items():
            np.testing.assert_allclose(actual[name], expected, rtol=0, atol=2e-5)


def test_attention_can_be_spelt_out(tiny_source: Source, steps: Steps) -> None:
    source = tiny_source("bert")
    used = {}
    for attention in ("sdpa", "eager"):
        artifact = steps("export", source, {"attention": attention})
        graph = programs.read(artifact).graph
        used[attention] = {str(node.target) for node in graph.nodes}
        inputs = inputs_of(source.component().signature)
        actual = steps.run(artifact)(inputs)["logits"]
        np.testing.assert_allclose(actual, _torch(source, inputs)["logits"], rtol=0, atol=2e-5)
    fused = "aten.scaled_dot_product_attention.default"
    assert fused in used["sdpa"]
    assert fused not in used["eager"]


def test_weights_are_counted(tiny_source: Source, steps: Steps) -> None:
    source = tiny_source("bert")
    artifact = steps("export", source)
    facts = artifact.manifest.facts
    assert facts["parameters"] == source.manifest.facts["parameters"]
    assert facts["weight_bytes"] == 4 * facts["parameters"]  # type: ignore[operator]
    assert (facts["bits_per_weight"], facts["ops_quantized"]) == (32, 0)
    assert artifact.size_bytes >= facts["weight_bytes"]  # type: ignore[operator]


def test_layers_that_share_weights_store_them_once(steps: Steps, tmp_path: Path) -> None:
    source = read_source(models.albert(tmp_path / "albert"), into=tmp_path / "source")
    artifact = steps("export", source)
    assert artifact.manifest.facts["parameters"] == source.manifest.facts["parameters"]


def test_two_exports_are_equal_to_the_byte(tiny_source: Source, steps: Steps) -> None:
    source = tiny_source("roberta")
    again = steps("export", source, ctx=RecordingContext())
    assert again.digest == steps("export", source).digest


def test_nothing_of_this_machine_is_in_the_file(tiny_source: Source, steps: Steps) -> None:
    source = tiny_source("bert")
    with zipfile.ZipFile(steps("export", source).component_file()) as archive:
        [graph] = [name for name in archive.namelist() if name.endswith("models/model.json")]
        text = archive.read(graph).decode()
        assert [i.file_size for i in archive.infolist() if "sample_inputs" in i.filename] == [0]
    for private in ("stack_trace", ".py", str(Path.home()), str(source.root)):
        assert private not in text


def test_it_says_nothing_and_how_far_it_is(
    tiny_source: Source, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    ctx = RecordingContext()
    source = tiny_source("vit")
    capfd.readouterr()
    plugin.export(source=source, capability="export", options={}, out=tmp_path, ctx=ctx)
    assert capfd.readouterr() == ("", "")
    assert ctx.fractions == sorted(ctx.fractions)
    assert ctx.fractions[-1] == 1
    assert ctx.lines == []


@pytest.mark.parametrize("asked", [0, 1, 2])
def test_it_stops_between_phases(asked: int, tiny_source: Source, steps: Steps) -> None:
    ctx = RecordingContext(stop_after=asked)
    with pytest.raises(Cancelled, match="the export was stopped"):
        steps("export", tiny_source("bert"), ctx=ctx)


def test_a_model_that_fixes_a_size_is_refused(tmp_path: Path) -> None:
    class Fixed(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> tuple[torch.Tensor]:
            return (x.reshape(2, -1)[:, :3],)

    with pytest.raises(PluginError, match="did not keep the dimensions of the model open") as error:
        program_of(Fixed(), parts.vector_signature(), tmp_path / "fixed")
    assert error.value.hint == "The model's code depends on a size that should be free."


def test_a_dimension_is_one_wherever_it_occurs() -> None:
    signature = parts.text_signature(most=64)
    first, second = dynamic_shapes(signature)
    assert first == second
    assert [(dim.__name__, dim.min, dim.max) for dim in first.values()][1] == ("sequence", 1, 64)
    assert signature.dim("batch") == Dim(name="batch")


def test_a_capability_that_is_not_there_is_refused(tiny_source: Source, tmp_path: Path) -> None:
    with pytest.raises(KeyError):
        plugin.export(
            source=tiny_source("bert"),
            capability="other",
            options={},
            out=tmp_path,
            ctx=RecordingContext(),
        )
