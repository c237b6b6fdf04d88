"""``qat``: a model that was trained in steps of int8, and the program that has them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from recovery_steps import Result, rows_for

from core_plugin_torch import program as programs
from core_plugin_torch.sparsity.patterns import matrix, parse
from core_plugin_torch.weights import stored
from hwcore.contract import Artifact, Dataset, Target, UserError
from hwcore.data import batches
from hwcore.transformers import load_module

Recover = Callable[..., Result]


@pytest.fixture(scope="module")
def dense(recover: Recover) -> Result:
    return recover("qat")


@pytest.fixture(scope="module")
def both(source: Artifact, sparse: Result, recover: Recover) -> Result:
    """Masks, quantization and distillation in one training."""
    return recover("qat", of=sparse.artifact, reference=source)


def int8(artifact: Artifact) -> list[torch.Tensor]:
    program = programs.read(artifact)
    return [tensor for tensor in stored(program).values() if tensor.dtype == torch.int8]


def answers(module: torch.nn.Module, data: Dataset, source: Artifact) -> np.ndarray:
    signature = source.component().signature
    [batch] = batches(data, "tune", batch_size=32, signature=signature)
    with torch.no_grad():
        [logits] = module(*[torch.from_numpy(batch.inputs[spec.name]) for spec in signature.inputs])
    return logits.numpy()


def test_weights_are_stored_as_int8(dense: Result) -> None:
    assert dense.artifact.format == "torch-export"
    assert dense.artifact.traits.quantization == "int8-static"
    found = int8(dense.artifact)
    assert len(found) == dense.draft.facts["ops_quantized"] == 14
    assert all(int(tensor.abs().max()) == 127 for tensor in found)


def test_it_answers_as_the_original(dense: Result, source: Artifact, rows: Dataset) -> None:
    program = programs.module(programs.read(dense.artifact))
    expected, found = (answers(m, rows, source) for m in (load_module(source), program))
    error = np.sqrt(((found - expected) ** 2).mean() / (expected**2).mean())
    assert error < 0.15


def test_it_takes_any_size(dense: Result) -> None:
    program = programs.module(programs.read(dense.artifact))
    for shape in ((1, 1), (3, 7), (5, 64)):
        ids = torch.full(shape, 7)
        [logits] = program(ids, torch.ones_like(ids), torch.zeros_like(ids))
        assert logits.shape == (shape[0], 2)


def test_zeros_of_a_sparse_source_survive(both: Result, sparse: Result) -> None:
    assert both.artifact.traits.sparsity == sparse.artifact.traits.sparsity
    pruned = [
        tensor
        for tensor in int8(both.artifact)
        if tensor.shape[1] >= 32 and (tensor == 0).float().mean() > 0.5
    ]
    assert len(pruned) == 12
    for tensor in pruned:
        share = float((tensor == 0).float().mean())
        assert 0.75 <= share < 0.85  # small weights round to zero, too
        zeros = tensor.reshape(len(tensor), -1, 4).eq(0).all(dim=-1)
        assert float(zeros.float().mean()) >= 0.75
    assert parse("1x4").divides(*matrix(pruned[0]).shape)


def test_all_three_get_closer_to_the_original(
    both: Result, source: Artifact, sparse: Result, rows: Dataset, recover: Recover
) -> None:
    longer = recover(
        "qat",
        of=sparse.artifact,
        reference=source,
        max_steps=60,
        epochs=20,
        learning_rate=2e-3,
        labels=0.0,
        patience=None,
    )
    expected = answers(load_module(source), rows, source)
    before, after = (
        float(
            (
                (answers(programs.module(programs.read(r.artifact)), rows, source) - expected) ** 2
            ).mean()
        )
        for r in (both, longer)
    )
    assert after < before


def test_equal_calls_make_equal_files(dense: Result, recover: Recover) -> None:
    again = recover("qat")
    names = ("model.pt2",)
    assert [again.artifact.manifest.files[n].sha256 for n in names] == [
        dense.artifact.manifest.files[n].sha256 for n in names
    ]


@pytest.mark.parametrize("options", [{"ranges": "learnt"}, {"observe": 0.0, "calibrate": 8}])
def test_of_other_kinds(recover: Recover, options: dict[str, object]) -> None:
    assert len(int8(recover("qat", **options).artifact)) == 14


def test_learnt_ranges_are_not_observed(recover: Recover) -> None:
    made = [recover("qat", ranges="learnt", observe=share).artifact for share in (0.0, 1.0)]
    digests = [artifact.manifest.files["model.pt2"].sha256 for artifact in made]
    assert digests[0] == digests[1]


@pytest.mark.parametrize(("features", "most"), [((), 127), (("vnni",), 255)])
def test_inputs_have_7_bits_without_vnni(
    recover: Recover, features: tuple[str, ...], most: int
) -> None:
    made = recover("qat", target=Target(features=features), max_steps=1)
    found = {
        node.args[3:]
        for node in programs.read(made.artifact).graph.nodes
        if "quantize_per_tensor" in str(node.target)
    }
    assert found == {(0, most, torch.uint8)}


def test_layers_can_stay_in_floating_point(recover: Recover) -> None:
    made = recover("qat", exclude=["classifier", "*.attention.*"])
    assert len(int8(made.artifact)) == 14 - 1 - 8
    with pytest.raises(UserError, match="no linear layer is left to quantize"):
        recover("qat", exclude=["*"])
    with pytest.raises(UserError, match="no part of the model is left to learn") as raised:
        recover("qat", freeze=["*"])
    assert "freeze" in str(raised.value.hint)
    with pytest.raises(UserError, match="no layer is called 'clasifier'") as raised:
        recover("qat", exclude=["clasifier"])
    assert "classifier" in str(raised.value.hint)


def test_of_images(tiny_source: Callable[..., Artifact], recover: Recover, tmp_path: Path) -> None:
    import models

    from hwcore.data import build_dataset, visible

    vit = tiny_source("vit")
    images = models.write_images(tmp_path / "images", 60)
    data = build_dataset(
        images, vit, out=tmp_path / "data", rows={"train": 40, "tune": 12, "test": 8}
    )
    made = recover("qat", of=vit, reference=vit, data=visible(data), max_steps=3)
    assert made.draft.facts["ops_quantized"] == len(int8(made.artifact)) == 13


def test_without_labels(
    tiny_source: Callable[..., Artifact], recover: Recover, tmp_path: Path
) -> None:
    encoder = tiny_source("roberta", "feature-extraction")
    made = recover("qat", of=encoder, reference=encoder, data=rows_for(encoder, tmp_path))
    assert made.outcome["score"] > 0.99
