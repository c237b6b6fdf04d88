"""The rows that sparsify, called as the host calls them, and what comes out as artifacts."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import models
import numpy as np
import pytest
import torch
from command import Command
from sparsify_steps import Context, sparsified

from core_plugin_torch.sparsity.patterns import share_of_zeros
from hwcore.contract import Artifact, Cancelled, Dataset, Sparsity, UserError
from hwcore.data import batches, build_dataset, example_inputs
from hwcore.transformers import load_module, read_source, read_tensors

Source = Callable[..., Artifact]
ROWS = ("magnitude", "wanda", "sparsegpt", "structured", "structured-data")
DATA = ("wanda", "sparsegpt", "structured-data")


@pytest.fixture(scope="module")
def data(tiny_source: Source, tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Calibration rows for the text models."""
    folder = tmp_path_factory.mktemp("rows")
    rows = models.write_csv(folder / "rows.csv", models.reviews(120))
    return build_dataset(rows, tiny_source("bert"), out=folder / "data", seed=0)


@pytest.fixture
def sparsify(tmp_path: Path, data: Dataset) -> Callable[..., Artifact]:
    """``sparsify(source, capability, ctx=None, **options)``: a sealed artifact."""

    def make(
        source: Artifact, capability: str = "magnitude", *, ctx: Any = None, **options: Any
    ) -> Artifact:
        out = tmp_path / f"out{len(list(tmp_path.iterdir()))}"
        if capability not in DATA:
            return sparsified(source, capability, out, ctx=ctx, **options)
        return sparsified(source, capability, out, data=data, ctx=ctx, **{"rows": 6, **options})

    return make


Make = Callable[..., Artifact]


def _measured(artifact: Artifact) -> dict[str, float]:
    return {
        name: 1 - np.count_nonzero(np.asarray(array, np.float32)) / array.size
        for name, array in read_tensors(artifact)
        if name in artifact.manifest.facts["sparsity"]  # type: ignore[operator]
    }


@pytest.mark.parametrize("family", models.FAMILIES)
@pytest.mark.parametrize("capability", ROWS)
def test_a_row_makes_a_model_that_loads(
    capability: str, family: models.Family, tiny_source: Source, sparsify: Make
) -> None:
    if family == "vit" and capability in DATA:
        pytest.skip("the rows are texts")
    source, ctx = tiny_source(family), Context()
    before = {path.name: path.read_bytes() for path in source.root.iterdir()}
    artifact = sparsify(source, capability, ctx=ctx)
    facts: Any = artifact.manifest.facts["sparsity"]
    measured = _measured(artifact)
    assert measured == pytest.approx({name: fact["share"] for name, fact in facts.items()})
    sparsity = artifact.traits.sparsity
    assert sparsity is not None
    sizes = {name: fact["parameters"] for name, fact in facts.items()}
    mean = sum(measured[n] * size for n, size in sizes.items()) / sum(sizes.values())
    assert sparsity.share == pytest.approx(mean)
    structured = capability.startswith("structured")
    assert sparsity.pattern == ("structured" if structured else "unstructured")
    parameters: Any = source.manifest.facts["parameters"]
    assert (artifact.manifest.facts["parameters"] < parameters) == structured  # type: ignore[operator]
    module, inputs = load_module(artifact), example_inputs(source.component().signature)
    layers = dict(module.model.named_modules())
    for fact in facts.values():
        weight = layers[fact["layer"]].weight
        assert (weight.numel(), share_of_zeros(weight)) == (fact["parameters"], fact["share"])
    with torch.inference_mode():
        [found] = module(*[torch.from_numpy(array) for array in inputs.values()])
    assert bool(found.isfinite().all())
    assert ctx.fractions == sorted(ctx.fractions)
    assert (ctx.fractions[0], ctx.fractions[-1]) == (0.0, 1.0)
    assert {path.name: path.read_bytes() for path in source.root.iterdir()} == before
    assert set(artifact.manifest.files) == set(source.manifest.files)


@pytest.mark.parametrize("pattern", ["1x4", "4x1", "2:4", "4x4"])
@pytest.mark.parametrize("capability", ["magnitude", "wanda", "sparsegpt"])
def test_patterns(capability: str, pattern: str, tiny_source: Source, sparsify: Make) -> None:
    artifact = sparsify(tiny_source("bert"), capability, pattern=pattern)
    assert artifact.traits.sparsity == Sparsity(pattern=pattern, share=0.5)
    facts: Any = artifact.manifest.facts["sparsity"]
    assert len(facts) == 12
    assert {fact["pattern"] for fact in facts.values()} == {pattern}
    untouched = {name for name, _ in read_tensors(artifact)} - set(facts)
    assert {"classifier.weight", "bert.embeddings.word_embeddings.weight"} <= untouched


def test_calibration_rows_pay(tiny_source: Source, sparsify: Make, data: Dataset) -> None:
    """On rows like those, SparseGPT stays closer to the model than magnitude."""
    source = tiny_source("bert")

    def answers(artifact: Artifact) -> torch.Tensor:
        module = load_module(artifact)
        signature = source.component().signature
        rows = batches(data, "test", batch_size=1, limit=20, signature=signature)
        names = [spec.name for spec in signature.inputs]
        with torch.inference_mode():
            found = [module(*[torch.from_numpy(r.inputs[n]) for n in names])[0] for r in rows]
        return torch.cat(found)

    expected = answers(source)
    lost = {
        capability: float((answers(sparsify(source, capability, **more)) - expected).norm())
        for capability, more in (("magnitude", {}), ("sparsegpt", {"rows": 40}))
    }
    assert lost["sparsegpt"] < lost["magnitude"]


def test_layers_are_taken_out_and_the_rest_is_renumbered(tmp_path: Path, sparsify: Make) -> None:
    source = _three_layers(tmp_path)
    made = sparsify(source, "structured", heads=0, channels=0, layers=1)
    assert made.traits.sparsity is None
    before, after = dict(read_tensors(source)), dict(read_tensors(made))
    for name, array in after.items():
        was = name.replace("vit.encoder.layer.1.", "vit.encoder.layer.2.")
        assert np.array_equal(array, before[was])
    assert len(before) - len(after) == sum("layer.1." in name for name in before)
    config = json.loads((made.root / "config.json").read_text())
    assert config["num_hidden_layers"] == 2
    load_module(made)


def test_facts_name_layers_as_they_are_numbered_afterwards(tmp_path: Path, sparsify: Make) -> None:
    made = sparsify(_three_layers(tmp_path), "structured", channels=0, layers=1)
    layers = dict(load_module(made).model.named_modules())
    facts: Any = made.manifest.facts["sparsity"]
    assert len(facts) == 2 * 4
    for fact in facts.values():
        assert share_of_zeros(layers[fact["layer"]].weight) == fact["share"] == 0.25


@pytest.mark.parametrize(
    ("capability", "dtype", "scale"),
    [
        ("magnitude", torch.float16, 2e-7),
        ("magnitude", torch.bfloat16, 3e-40),
        ("sparsegpt", torch.float16, 2e-7),
    ],
)
def test_zeros_are_those_of_the_dtype_that_is_written(
    capability: str, dtype: torch.dtype, scale: float, tmp_path: Path, sparsify: Make
) -> None:
    """Weights near the least number of their dtype round to zeros that are in no pattern."""
    source = _small_weights(tmp_path, dtype, scale)
    made = sparsify(source, capability, pattern="1x4")
    facts: Any = made.manifest.facts["sparsity"]
    measured = _measured(made)
    assert measured == {name: fact["share"] for name, fact in facts.items()}
    small = facts.pop(f"{SMALL}.weight")
    assert small["pattern"] == "unstructured"
    assert 0.51 < small["share"] < 1
    assert {(fact["pattern"], fact["share"]) for fact in facts.values()} == {("1x4", 0.5)}
    assert made.traits.sparsity is not None
    assert made.traits.sparsity.pattern == "unstructured"
    assert made.traits.sparsity.share > 0.5


def test_so_are_those_of_parts(tmp_path: Path, sparsify: Make) -> None:
    source = _small_weights(tmp_path, torch.float16, 2e-7)
    made = sparsify(source, "structured", heads=0, channels=0.25, exclude=["*.layer.1"])
    facts: Any = made.manifest.facts["sparsity"]
    assert {name: fact["pattern"] for name, fact in facts.items()} == {
        "bert.encoder.layer.0.intermediate.dense.weight": "structured",
        f"{SMALL}.weight": "unstructured",
    }
    measured = _measured(made)
    assert measured == {name: fact["share"] for name, fact in facts.items()}
    assert measured[f"{SMALL}.weight"] > 0.3


SMALL = "bert.encoder.layer.0.output.dense"


def _small_weights(folder: Path, dtype: torch.dtype, scale: float) -> Artifact:
    """A BERT in a narrow dtype, and one layer's weights so small that some are zero in it."""
    import transformers

    home = models.tiny("bert", folder / "narrow")
    model = transformers.BertForSequenceClassification.from_pretrained(home)
    model.get_submodule(SMALL).weight.data *= scale
    model.to(dtype).save_pretrained(home)
    return read_source(home, into=folder / "narrow-source")


def test_layers_that_are_not_numbered_are_not_renumbered() -> None:
    from core_plugin_torch.sparsify import _renumbered

    rename = _renumbered(["model.h.0.mlp", "model.h.1.mlp", "model.h.2.mlp"], (1,))
    names = ("model.h.0.x", "model.h.1.x", "model.h.2.x", "model.h", "model.ln.1")
    assert [rename(name) for name in names] == [
        "model.h.0.x",
        None,
        "model.h.1.x",
        "model.h",
        "model.ln.1",
    ]
    with pytest.raises(
        UserError, match=r"the layers of the checkpoint are not numbered: first\.mlp"
    ):
        _renumbered(["first.mlp", "second.mlp"], (1,))


def _three_layers(folder: Path) -> Artifact:
    """A ViT of three layers: of two, none can go."""
    import transformers

    home = folder / "three"
    torch.manual_seed(0)
    config = transformers.ViTConfig(
        hidden_size=32,
        num_hidden_layers=3,
        num_attention_heads=4,
        intermediate_size=48,
        image_size=16,
        patch_size=8,
        initializer_range=0.2,
    )
    made = transformers.ViTForImageClassification(config)
    for parameter in made.parameters():
        if parameter.dim() == 1:
            parameter.data += 0.1 * torch.randn_like(parameter)
    made.save_pretrained(home)
    image = {"image_processor_type": "ViTImageProcessor", "size": {"height": 16, "width": 16}}
    (home / "preprocessor_config.json").write_text(json.dumps(image))
    return read_source(home, into=folder / "three-source")


def test_pruning_goes_on(tiny_source: Source, sparsify: Make) -> None:
    """What an earlier step pruned is told of beside what this one did."""
    source = tiny_source("bert")
    first = sparsify(source, pattern="2:4", include=["*.output.dense"])
    second = sparsify(first, share=0.25, include=["classifier"])
    facts: Any = second.manifest.facts["sparsity"]
    assert facts["classifier.weight"]["pattern"] == "unstructured"
    assert facts["bert.encoder.layer.0.output.dense.weight"]["pattern"] == "2:4"
    assert second.traits.sparsity is not None
    assert second.traits.sparsity.pattern == "unstructured"
    assert 0.48 < second.traits.sparsity.share < 0.5
    blocks = sparsify(first, pattern="1x4", share=0.25)
    kinds = {fact["pattern"] for fact in blocks.manifest.facts["sparsity"].values()}  # type: ignore[union-attr]
    assert kinds == {"1x4", "unstructured"}, "zeros of 2:4 are in no blocks"


@pytest.mark.parametrize("capability", ROWS)
def test_it_stops_when_asked(capability: str, tiny_source: Source, sparsify: Make) -> None:
    for stop_after in (0, 3):
        with pytest.raises(Cancelled, match="the pruning was stopped"):
            sparsify(tiny_source("bert"), capability, ctx=Context(stop_after=stop_after))


def test_threads_are_the_steps_and_are_put_back(tiny_source: Source, sparsify: Make) -> None:
    seen: list[int] = []

    class Watching(Context):
        def progress(self, fraction: float, message: str = "") -> None:
            seen.append(torch.get_num_threads())

    before = torch.get_num_threads()
    sparsify(tiny_source("bert"), ctx=Watching(threads=3))
    assert set(seen) == {3}
    assert torch.get_num_threads() == before


@pytest.mark.parametrize(
    ("capability", "options", "message"),
    [
        ("magnitude", {"pattern": "3x1"}, "the pattern 3x1 does not divide bert.encoder.layer.0"),
        ("magnitude", {"pattern": "2x"}, "there is no sparsity pattern '2x'"),
        ("sparsegpt", {"pattern": "2:4", "share": 0.75}, "the pattern 2:4 has 0.5 of zeros"),
        ("wanda", {"exclude": ["bert.encoder.layer.0.outputs"]}, "no layer is called 'bert.enc"),
        ("structured", {"heads": 0, "channels": 0}, "nothing is taken out of the model"),
        ("magnitude", {"share": 0.0001}, "no weight is zero: the layers are too small"),
    ],
)
def test_what_cannot_be(
    capability: str,
    options: dict[str, Any],
    message: str,
    tiny_source: Source,
    sparsify: Make,
) -> None:
    with pytest.raises(UserError, match=message) as caught:
        sparsify(tiny_source("bert"), capability, **options)
    assert caught.value.hint


def test_the_command(tiny: Callable[..., Path], tmp_path: Path) -> None:
    """``hwcore sparsify`` writes a model that is checked, and that opens like any other."""
    hwcore, out = Command(tmp_path / "cache", {"HWCORE_PLUGINS": "torch"}), tmp_path / "sparse"
    how = ("--capability", "magnitude", "-o", "pattern=1x4", "-o", "share=0.8", "--seed", "3")
    done = hwcore("sparsify", tiny("bert"), "--plugin", "torch", *how, "--out", out, "--json")
    manifest = done.check().json()
    assert manifest["format"] == "transformers"
    assert manifest["traits"]["sparsity"]["pattern"] == "1x4"
    assert manifest["traits"]["sparsity"]["share"] == pytest.approx(0.8, abs=0.01)
    assert manifest["lineage"][0]["options"] == {"pattern": "1x4", "share": 0.8}
    assert (out / "tokenizer.json").is_file()
    hwcore("sparsify", tiny("bert"), *how[:2], "-o", "share=1", "--out", tmp_path / "x").refused(
        2, "share"
    )
    hwcore("sparsify", tiny("bert"), "--capability", "wanda", "--out", tmp_path / "x").refused(
        2, "needs 32 calibration rows, has 0: give --data"
    )
