"""Filters of a transformers model that has convolutions, and its weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import models
import pytest
import torch
from command import Command
from sparsify_steps import sparsified

from hwcore.contract import Artifact, Dataset, Sparsity, UserError
from hwcore.data import build_dataset, example_inputs
from hwcore.transformers import load_module, read_source

Version = Literal["ConvNext", "ConvNextV2"]
FILTERS = {"heads": 0, "channels": 0, "filters": 0.25}


@pytest.fixture
def source(tmp_path: Path) -> Artifact:
    return read_source(models.convnext(tmp_path / "model"), into=tmp_path / "source")


def _rows(source: Artifact, folder: Path) -> Dataset:
    """Calibration rows of images."""
    images = models.write_images(folder / "images", 40)
    counts: Any = {"calibration": 32, "test": 8}
    return build_dataset(images, source, out=folder / "rows", rows=counts)


def _convolutions(module: Any) -> dict[str, torch.nn.Conv2d]:
    """Those that are no embeddings."""
    return {
        name: layer
        for name, layer in module.model.named_modules()
        if isinstance(layer, torch.nn.Conv2d) and "embeddings" not in name
    }


@pytest.mark.parametrize("version", ["ConvNext", "ConvNextV2"])
@pytest.mark.parametrize("capability", ["structured", "structured-data"])
def test_whole_filters_are_zero(capability: str, version: Version, tmp_path: Path) -> None:
    home = models.convnext(tmp_path / "model", version=version)
    source = read_source(home, into=tmp_path / "source")
    data = _rows(source, tmp_path) if capability.endswith("data") else None
    made = sparsified(source, capability, tmp_path / "out", data=data, **FILTERS)
    assert made.traits.sparsity == Sparsity(pattern="structured", share=0.25)
    module = load_module(made)
    convolutions = _convolutions(module)
    facts: Any = made.manifest.facts["sparsity"]
    assert len(convolutions) == 4
    assert {fact["layer"] for fact in facts.values()} == set(convolutions)
    for layer in convolutions.values():
        gone = ~layer.weight.flatten(1).any(dim=1)
        assert int(gone.sum()) == len(gone) // 4
        assert not layer.bias[gone].any()
        assert bool(layer.weight[~gone].all())
    [pixels] = example_inputs(source.component().signature).values()
    with torch.inference_mode():
        [found], [before] = (m(torch.from_numpy(pixels)) for m in (module, load_module(source)))
    assert bool(found.isfinite().all())
    assert not torch.equal(found, before)


def test_channels_of_filters(source: Artifact, tmp_path: Path) -> None:
    """A depthwise filter has one, which is not taken from it."""
    options: Any = FILTERS | {"filters": 0, "filter_channels": 0.25}
    made = sparsified(source, "structured", tmp_path / "out", **options)
    facts: Any = made.manifest.facts["sparsity"]
    [(name, fact)] = facts.items()
    assert name == "convnext.encoder.stages.1.downsampling_layer.1.weight"
    assert (fact["pattern"], fact["share"]) == ("structured", 0.25)
    channels = _convolutions(load_module(made))[fact["layer"]].weight.transpose(0, 1).flatten(1)
    assert channels.any(dim=1).sum() == 6


def test_those_that_are_excluded_stay(source: Artifact, tmp_path: Path) -> None:
    made = sparsified(source, "structured", tmp_path / "out", **FILTERS, exclude=["*.dwconv"])
    facts: Any = made.manifest.facts["sparsity"]
    assert [fact["layer"] for fact in facts.values()] == [
        "convnext.encoder.stages.1.downsampling_layer.1"
    ]


def test_what_is_not_there_is_told(source: Artifact, tmp_path: Path) -> None:
    message = "where heads and channels of convnext models are is not known"
    with pytest.raises(UserError, match=message) as caught:
        sparsified(source, "structured", tmp_path / "out", filters=0.25)
    assert "Filters go without: heads=0 and channels=0" in str(caught.value.hint)


def test_weights_of_convolutions(source: Artifact, tmp_path: Path) -> None:
    facts: Any = sparsified(source, "magnitude", tmp_path / "all").manifest.facts["sparsity"]
    assert len(facts) == 3 + 1 + 2 * 3  # depthwise, between the stages, and pointwise
    data = _rows(source, tmp_path)
    with pytest.raises(UserError, match=r"wanda cannot prune \S+\.dwconv, which is a grouped"):
        sparsified(source, "wanda", tmp_path / "refused", data=data)
    for capability in ("wanda", "sparsegpt"):
        out = tmp_path / capability
        made = sparsified(source, capability, out, data=data, exclude=["*.dwconv"])
        facts = made.manifest.facts["sparsity"]
        assert len(facts) == 1 + 2 * 3
        assert {fact["share"] for fact in facts.values()} == {0.5}


def test_the_command(tmp_path: Path) -> None:
    """The result is checked: it is loaded, and runs."""
    hwcore, out = Command(tmp_path / "cache", {"HWCORE_PLUGINS": "torch"}), tmp_path / "thin"
    how = [word for key, value in FILTERS.items() for word in ("-o", f"{key}={value}")]
    home = models.convnext(tmp_path / "model")
    done = hwcore("sparsify", home, "--capability", "structured", *how, "--out", out, "--json")
    assert done.check().json()["traits"]["sparsity"] == {"pattern": "structured", "share": 0.25}
    assert (out / "preprocessor_config.json").is_file()
