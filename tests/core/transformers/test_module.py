"""Loading the module that exporters and the reference runner use."""

from __future__ import annotations

import inspect
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import models
import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from hwcore.contract import Artifact, UserError
from hwcore.data import example_inputs
from hwcore.transformers import load_module, read_source

Sources = Callable[..., Artifact]

KINDS = [
    *((family, "text-classification") for family in models.TEXT_FAMILIES),
    *((family, "feature-extraction") for family in models.FAMILIES),
    ("vit", "image-classification"),
]


def call(module: object, inputs: dict[str, np.ndarray]) -> tuple[np.ndarray, ...]:
    import torch

    with torch.inference_mode():
        outputs = module(*(torch.from_numpy(array) for array in inputs.values()))  # type: ignore[operator]
    assert isinstance(outputs, tuple)
    return tuple(output.float().numpy() for output in outputs)


@pytest.mark.parametrize(("family", "task"), KINDS)
def test_computes_what_transformers_computes(
    family: models.Family, task: str, tiny_source: Sources
) -> None:
    import torch
    import transformers

    source = tiny_source(family, task)
    signature = source.component().signature
    inputs = example_inputs(signature, seed=1)
    module = load_module(source)
    auto = {
        "feature-extraction": transformers.AutoModel,
        "text-classification": transformers.AutoModelForSequenceClassification,
        "image-classification": transformers.AutoModelForImageClassification,
    }[task]
    model = auto.from_pretrained(source.root)
    with torch.inference_mode():
        expected = model(**{name: torch.from_numpy(array) for name, array in inputs.items()})
    [found] = call(module, inputs)
    [output] = signature.outputs
    np.testing.assert_array_equal(found, expected[output.name].numpy())
    sizes = signature.bind(inputs)
    assert found.shape == tuple(sizes.get(str(size), size) for size in output.shape)
    assert found.std() > 0.1  # a model that says nothing would agree with anything


@pytest.mark.parametrize("version", ["ConvNext", "ConvNextV2"])
def test_a_classifier_of_convolutions(version: Any, tmp_path: Path) -> None:
    import torch
    import transformers

    folder = models.convnext(tmp_path / "model", version=version)
    source = read_source(folder, into=tmp_path / "into")
    inputs = example_inputs(source.component().signature, {"batch": 3}, seed=1)
    model = transformers.AutoModelForImageClassification.from_pretrained(folder)
    with torch.inference_mode():
        expected = model(torch.from_numpy(inputs["pixel_values"])).logits
    [found] = call(load_module(source), inputs)
    np.testing.assert_array_equal(found, expected.numpy())
    assert found.shape == (3, 2)
    assert found.std(axis=0).max() > 0.01


@pytest.mark.parametrize("family", models.FAMILIES)
def test_has_a_flat_face(family: models.Family, tiny_source: Sources) -> None:
    source = tiny_source(family)
    module = load_module(source)
    names = [spec.name for spec in source.component().signature.inputs]
    assert list(inspect.signature(module.forward).parameters) == names
    assert not module.training
    assert not any(parameter.requires_grad for parameter in module.parameters())


@pytest.mark.parametrize("family", ["bert", "vit"])
def test_has_no_pooler(family: models.Family, tiny_source: Sources) -> None:
    module = load_module(tiny_source(family, "feature-extraction"))
    assert not any("pooler" in name for name, _ in module.named_parameters())


def test_dtype_and_attention(tiny_source: Sources) -> None:
    import torch

    source = tiny_source("bert")
    module = load_module(source, dtype="bfloat16", attention="eager")
    assert {parameter.dtype for parameter in module.parameters()} == {torch.bfloat16}
    inputs = example_inputs(source.component().signature)
    [narrow], [wide] = call(module, inputs), call(load_module(source), inputs)
    assert 0 < np.abs(narrow - wide).max() < 0.1
    with pytest.raises(UserError, match="dtype 'int8' cannot be"):
        load_module(source, dtype="int8")


def test_a_model_without_sdpa_is_loaded_eager(tmp_path: Path) -> None:
    from transformers import MPNetConfig, MPNetModel

    sizes = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 4}
    config = MPNetConfig(**sizes, vocab_size=99, intermediate_size=32, pad_token_id=1)
    MPNetModel(config).save_pretrained(tmp_path / "model")
    source = read_source(tmp_path / "model", into=tmp_path / "into")
    module = load_module(source)
    assert module.model.config._attn_implementation == "eager"


@pytest.mark.parametrize("family", models.FAMILIES)
def test_can_be_exported_with_open_dimensions(family: models.Family, tiny_source: Sources) -> None:
    import torch

    source = tiny_source(family)
    signature = source.component().signature
    inputs = example_inputs(signature)
    dims = {dim.name: torch.export.Dim(dim.name, max=dim.max) for dim in signature.dims}
    shapes = tuple(
        {axis: dims[size] for axis, size in enumerate(spec.shape) if isinstance(size, str)}
        for spec in signature.inputs
    )
    arguments = tuple(torch.from_numpy(array) for array in inputs.values())
    module = load_module(source)
    program = torch.export.export(module, arguments, dynamic_shapes=shapes)
    longest = {dim.name: dim.max or 3 for dim in signature.dims}
    for sizes in ({"batch": 3}, longest):
        unlike = example_inputs(signature, sizes, seed=2)
        np.testing.assert_allclose(
            call(program.module(), unlike)[0], call(module, unlike)[0], atol=1e-5
        )


def test_says_nothing(tiny_source: Sources, capfd: pytest.CaptureFixture[str]) -> None:
    from transformers.utils import logging

    before = logging.get_verbosity()
    load_module(tiny_source("bert", "feature-extraction"))
    assert capfd.readouterr() == ("", "")
    assert logging.get_verbosity() == before
    assert logging.is_progress_bar_enabled()


def copied(source: Artifact, folder: Path) -> Path:
    shutil.copytree(source.root, folder)
    return folder


def test_a_head_that_is_not_there_is_not_made_up(tiny_source: Sources, tmp_path: Path) -> None:
    folder = copied(tiny_source("bert", "feature-extraction"), tmp_path / "model")
    config = json.loads((folder / "config.json").read_text())
    config["architectures"] = ["BertForSequenceClassification"]
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(UserError) as caught:
        load_module(read_source(folder, into=tmp_path / "into"))
    assert "lacks weights that its architecture needs: classifier.bias, classif" in str(
        caught.value
    )
    assert caught.value.hint == "Train or fine-tune the model for this task and save it again."


def test_a_layer_that_is_not_there_is_not_made_up(tiny_source: Sources, tmp_path: Path) -> None:
    folder = copied(tiny_source("bert"), tmp_path / "model")
    weights = load_file(folder / "model.safetensors")
    lost = next(name for name in weights if "layer.1" in name)
    save_file({n: w for n, w in weights.items() if n != lost}, folder / "model.safetensors")
    with pytest.raises(UserError, match=f"lacks weights that its architecture needs: {lost}$"):
        load_module(read_source(folder, into=tmp_path / "into"))


@pytest.mark.parametrize(
    "change",
    [{"intermediate_size": 48}, {"hidden_act": "none such"}, {"num_attention_heads": "four"}],
)
def test_a_config_that_does_not_fit(
    tiny_source: Sources, tmp_path: Path, change: dict[str, object]
) -> None:
    folder = copied(tiny_source("bert"), tmp_path / "model")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | change))
    with pytest.raises(UserError, match="cannot be loaded by transformers: ") as caught:
        load_module(read_source(folder, into=tmp_path / "into"))
    assert "config.json and the weights belong together" in str(caught.value.hint)


def test_loading_maps_the_weights(minilm_source: Artifact, tmp_path: Path) -> None:
    """Peak memory of loading stays far below the 87 MiB of weights."""
    import subprocess
    import sys

    code = (
        "import resource, sys, torch, transformers, transformers.models.bert.modeling_bert\n"
        "from pathlib import Path\n"
        "from hwcore.transformers import load_module, read_source\n"
        "source = read_source(Path(sys.argv[1]), into=Path(sys.argv[2]))\n"
        "peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024\n"
        "before = peak(); module = load_module(source); print(peak() - before)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(minilm_source.root), str(tmp_path / "into")],
        capture_output=True,
        text=True,
        check=True,
    )
    assert float(done.stdout) < 45
