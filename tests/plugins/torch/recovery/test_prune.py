"""``prune-recover``: zeros where and as many as asked for, and a checkpoint that is whole."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import models
import pytest
import torch
from recovery_steps import Result, pruned, rows_for
from safetensors.torch import load_file
from torch import Tensor

from core_plugin_torch.sparsity.patterns import STRUCTURED, matrix, parse, share_of_zeros
from hwcore.contract import Artifact, UserError
from hwcore.transformers import load_module, read_source

Recover = Callable[..., Result]


def weights(artifact: Artifact) -> dict[str, Tensor]:
    found: dict[str, Tensor] = load_file(artifact.root / "model.safetensors")
    return found


def test_zeros_are_in_the_encoder_and_counted(source: Artifact, sparse: Result) -> None:
    before, after = weights(source), weights(sparse.artifact)
    assert {name: t.shape for name, t in after.items()} == {n: t.shape for n, t in before.items()}
    pruned = {name for name, tensor in after.items() if share_of_zeros(tensor) > 0.5}
    assert pruned == {
        name
        for name in before
        if ".layer." in name and name.endswith("weight") and "LayerNorm" not in name
    }
    for name in pruned:
        assert share_of_zeros(after[name]) == 0.75
        assert parse("1x4").followed_by(matrix(after[name]))
    sparsity = sparse.artifact.traits.sparsity
    assert sparsity is not None
    assert (sparsity.pattern, sparsity.share) == ("1x4", 0.75)
    facts = sparse.draft.facts["sparsity"]
    assert isinstance(facts, dict)
    assert set(facts) == pruned
    assert {fact["layer"] + ".weight" for fact in facts.values()} == pruned


def test_all_of_the_model_has_learnt(source: Artifact, sparse: Result) -> None:
    before, after = weights(source), weights(sparse.artifact)
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    # transformers' pooler is fed to the head of this model, so nothing is left out.
    assert changed == set(before)


def test_the_source_is_as_it_was(source: Artifact, recover: Recover) -> None:
    before = {path.name: path.read_bytes() for path in source.root.iterdir() if path.is_file()}
    recover("prune-recover", max_steps=2)
    after = {path.name: path.read_bytes() for path in source.root.iterdir() if path.is_file()}
    assert after == before


def test_nothing_else_is_left_in_the_folder(source: Artifact, sparse: Result) -> None:
    names = {"config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"}
    assert {path.name for path in sparse.folder.iterdir()} - {"artifact.json"} == names


def test_the_result_is_a_model(sparse: Result) -> None:
    module = load_module(sparse.artifact)
    ids = torch.tensor([[2, 9, 8, 3]])
    [logits] = module(ids, torch.ones_like(ids), torch.zeros_like(ids))
    assert bool(logits.isfinite().all())


def test_equal_calls_make_equal_files(sparse: Result, recover: Recover) -> None:
    again = recover("prune-recover", pattern="1x4", share=0.75)
    assert again.artifact.manifest.files.keys() == sparse.artifact.manifest.files.keys()
    for name, entry in again.artifact.manifest.files.items():
        assert entry.sha256 == sparse.artifact.manifest.files[name].sha256, name


def test_another_seed_makes_other_weights(sparse: Result, recover: Recover) -> None:
    other = recover("prune-recover", pattern="1x4", share=0.75, notes={"seed": 1})
    file = "model.safetensors"
    assert other.artifact.manifest.files[file].sha256 != sparse.artifact.manifest.files[file].sha256


@pytest.mark.parametrize(
    "options",
    [
        {"pattern": "2:4"},
        {"share": 0.6, "distribution": "global", "importance": "l2", "pattern": "4x1"},
        {"share": 0.5, "importance": "movement", "precision": "float32"},
        {"share": 0.5, "end": 1.0, "begin": 0.5},
        {"share": 0.5, "include": ["bert.embeddings.word_embeddings", "classifier"]},
    ],
)
def test_of_many_kinds(recover: Recover, options: dict[str, object]) -> None:
    made = recover("prune-recover", **options)
    sparsity = made.artifact.traits.sparsity
    assert sparsity is not None
    assert sparsity.share == pytest.approx(float(str(options.get("share", 0.5))), abs=0.01)
    assert sparsity.pattern == options.get("pattern", "unstructured")


def test_a_sparse_model_is_recovered_as_it_is(
    source: Artifact, sparse: Result, recover: Recover
) -> None:
    again = recover("prune-recover", of=sparse.artifact, reference=source)
    before, after = weights(sparse.artifact), weights(again.artifact)
    for name, tensor in before.items():
        if share_of_zeros(tensor) > 0.5:
            assert torch.equal(tensor == 0, after[name] == 0), name
            assert not torch.equal(tensor, after[name]), name
    assert again.artifact.traits.sparsity == sparse.artifact.traits.sparsity
    assert again.notes.warnings == []


@pytest.mark.parametrize("option", ["include", "exclude"])
def test_layers_are_not_chosen_for_zeros_that_are_there(
    sparse: Result, recover: Recover, option: str
) -> None:
    with pytest.raises(UserError, match="this call makes none") as error:
        recover("prune-recover", of=sparse.artifact, **{option: ["*.attention.*"]})
    assert error.value.hint == "Leave them out, or ask for a larger share."


def test_a_sparse_model_gets_more_zeros(source: Artifact, sparse: Result, recover: Recover) -> None:
    more = recover("prune-recover", of=sparse.artifact, reference=source, share=0.875)
    assert more.artifact.traits.sparsity is not None
    assert more.artifact.traits.sparsity.share == 0.875
    with pytest.raises(UserError, match=r"share is 0.5, and the model has 0.75 of zeros already"):
        recover("prune-recover", of=sparse.artifact, reference=source, share=0.5)


def zeros(artifact: Artifact) -> dict[str, Tensor]:
    """Where matrices that have zeros have them."""
    return {
        name: tensor == 0
        for name, tensor in weights(artifact).items()
        if tensor.ndim > 1 and share_of_zeros(tensor) > 0.1
    }


def test_growing_keeps_the_zeros_of_a_sparse_model(
    source: Artifact, recover: Recover, tmp_path: Path
) -> None:
    uneven = pruned(source, tmp_path / "uneven", share=0.5, distribution="global")
    made = recover(
        "prune-recover",
        of=uneven,
        reference=source,
        share=0.6,
        begin=0.5,
        end=0.9,
        importance="movement",
        learning_rate=0.01,
    )
    after = weights(made.artifact)
    for name, before in zeros(uneven).items():
        assert bool((after[name][before] == 0).all()), name
    assert made.artifact.traits.sparsity is not None
    assert made.artifact.traits.sparsity.share == pytest.approx(0.6, abs=0.01)
    assert made.notes.warnings == []


@pytest.mark.parametrize("rewind", [False, True])
def test_layers_that_get_no_more_zeros_keep_theirs(
    source: Artifact, recover: Recover, tmp_path: Path, rewind: bool
) -> None:
    everywhere = pruned(source, tmp_path / "everywhere", pattern="1x4", include=["*"], share=0.5)
    made = recover(
        "prune-recover",
        of=everywhere,
        reference=source,
        share=0.75,
        rewind=rewind,
        exclude=["*.layer.1"],
        learning_rate=0.01,
    )
    before, after = zeros(everywhere), weights(made.artifact)
    others = [name for name in before if ".layer.0." not in name]
    assert "bert.embeddings.word_embeddings.weight" in others
    for name in others:
        assert torch.equal(before[name], after[name] == 0), name
    facts: Any = made.draft.facts["sparsity"]
    assert set(facts) == set(before)
    for name, fact in facts.items():
        assert fact["pattern"] == "1x4", name
        assert fact["share"] == pytest.approx(0.5 if name in others else 0.75, abs=0.01), name


def test_each_layer_keeps_its_pattern(source: Artifact, recover: Recover, tmp_path: Path) -> None:
    half = pruned(source, tmp_path / "half", pattern="2:4", include=["*.attention.*"])
    mixed = pruned(half, tmp_path / "mixed", pattern="1x4", exclude=["*.attention.*"])
    made = recover("prune-recover", of=mixed, reference=source)
    facts: Any = made.draft.facts["sparsity"]
    assert facts == mixed.manifest.facts["sparsity"]
    assert {fact["pattern"] for fact in facts.values()} == {"2:4", "1x4"}
    assert made.artifact.traits.sparsity == mixed.traits.sparsity
    # What is recorded is what is there: blocks among zeros that are no blocks.
    other = recover("prune-recover", of=half, reference=source, pattern="1x4", share=0.6)
    assert other.artifact.traits.sparsity is not None
    assert other.artifact.traits.sparsity.pattern == "unstructured"
    [warning] = other.notes.warnings
    assert warning == (
        "zeros that the model has stay, and are not in the pattern 1x4: "
        "with those that come they are unstructured"
    )


def test_more_zeros_where_parts_were_taken_out(
    source: Artifact, recover: Recover, tmp_path: Path
) -> None:
    smaller = pruned(source, tmp_path / "smaller", "structured")
    as_it_is = recover("prune-recover", of=smaller, reference=source)
    assert as_it_is.artifact.traits.sparsity == smaller.traits.sparsity
    assert as_it_is.artifact.traits.sparsity is not None
    assert as_it_is.artifact.traits.sparsity.pattern == STRUCTURED
    more = recover("prune-recover", of=smaller, reference=source, share=0.6)
    assert more.artifact.traits.sparsity is not None
    assert more.artifact.traits.sparsity.pattern == "unstructured"
    assert more.artifact.traits.sparsity.share == pytest.approx(0.6, abs=0.01)
    after = weights(more.artifact)
    for name, before in zeros(smaller).items():
        assert bool((after[name][before] == 0).all()), name
    with pytest.raises(UserError, match=r"no bert\.encoder\.layer\.0\.intermediate\.dense of that"):
        recover("prune-recover", of=smaller, reference=source, share=0.6, rewind=True)


def test_what_is_frozen_does_not_learn(source: Artifact, recover: Recover, tmp_path: Path) -> None:
    folder = tmp_path / "c"
    made = recover("prune-recover", freeze=["*.embeddings"], checkpoints=str(folder))
    before, after = weights(source), weights(made.artifact)
    same = {name for name in before if torch.equal(before[name], after[name])}
    assert same == {name for name in before if name.startswith("bert.embeddings.")}
    state = torch.load(folder / "checkpoint-6" / "optimizer.pt", weights_only=True)
    assert len(state["state"]) == len(before) - len(same)


def test_distilling_from_a_sparse_model_is_told(sparse: Result, recover: Recover) -> None:
    made = recover("prune-recover", of=sparse.artifact, reference=sparse.artifact, max_steps=1)
    [warning] = made.notes.warnings
    assert warning.startswith("what is distilled from is sparse itself: --reference names")


def test_a_ticket_begins_with_the_original_weights(source: Artifact, recover: Recover) -> None:
    # All zeros come at the last step, which is too small to move anything far.
    made = recover("prune-recover", rewind=True, share=0.5, end=1.0, learning_rate=0.1, max_steps=4)
    before, after = weights(source), weights(made.artifact)
    other = recover("prune-recover", share=0.5, end=1.0, learning_rate=0.1, max_steps=4)
    moved = weights(other.artifact)
    for name in (
        "bert.encoder.layer.0.output.dense.weight",
        "bert.encoder.layer.0.output.dense.bias",
        "bert.encoder.layer.0.output.LayerNorm.weight",
        "bert.embeddings.position_embeddings.weight",
        "classifier.weight",
    ):
        kept = after[name] != 0
        away, without = (
            float((found[name] - before[name])[kept].abs().max()) for found in (after, moved)
        )
        assert away < 0.5 * without, name


def test_without_labels_it_learns_from_answers(
    tiny_source: Callable[..., Artifact], recover: Recover, tmp_path: Path
) -> None:
    encoder = tiny_source("distilbert", "feature-extraction")
    made = recover("prune-recover", of=encoder, reference=encoder, data=rows_for(encoder, tmp_path))
    assert made.outcome["original"] == pytest.approx(1.0)
    assert 0 < made.outcome["score"] < 1


@pytest.mark.parametrize(
    ("options", "message", "hint"),
    [
        ({"pattern": "3x5"}, "the pattern 3x5 does not divide bert.encoder.layer.0", "exclude="),
        ({"pattern": "some"}, "there is no sparsity pattern 'some'", "unstructured"),
        ({"pattern": "2:4", "share": 0.9}, "the pattern 2:4 has 0.5 of zeros", "1x4"),
        (
            {"pattern": "2:4", "distribution": "global"},
            "2:4 has the same share of zeros in every layer",
            "distribution",
        ),
        ({"begin": 0.8, "end": 0.2}, "would begin at 0.8 of the steps and end at 0.2", "less"),
        ({"exclude": ["encoder.layer.9"]}, "no layer is called 'encoder.layer.9'", "layer"),
        ({"freeze": ["embedings"]}, "no layer is called 'embedings'", "bert.embeddings"),
        (
            {"freeze": ["*.layer.1"]},
            "bert.encoder.layer.1.attention.self.query does not learn, and cannot be pruned",
            "exclude=",
        ),
        ({"trainer": {"output_dir": "x"}}, "trainer has 'output_dir', which recovery", "use_cpu"),
        ({"trainer": {"optim": "quick"}}, "Trainer does not take these arguments", "trainer"),
        (
            {"share": 0.0001, "max_steps": 1},
            "no weight is zero: the layers are too small",
            "larger",
        ),
    ],
)
def test_what_cannot_be_is_said(
    recover: Recover, options: dict[str, object], message: str, hint: str
) -> None:
    with pytest.raises(UserError, match=message) as raised:
        recover("prune-recover", **options)
    assert raised.value.hint is not None
    assert hint in raised.value.hint


def test_without_rows_there_is_nothing_to_learn(recover: Recover) -> None:
    with pytest.raises(UserError, match="recovery learns from train rows, and there are none"):
        recover("prune-recover", data=None)


def test_two_models_have_to_answer_alike(
    tiny_source: Callable[..., Artifact], recover: Recover
) -> None:
    encoder = tiny_source("bert", "feature-extraction")
    with pytest.raises(UserError, match="one cannot imitate the other") as raised:
        recover("prune-recover", reference=encoder)
    assert "last_hidden_state [batch, sequence, 32], and " in str(raised.value)


def test_the_original_has_to_take_the_same_rows(
    tiny_source: Callable[..., Artifact],
    recover: Recover,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(UserError, match="they cannot be given the same rows") as raised:
        recover("prune-recover", reference=tiny_source("distilbert"))
    assert "attention_mask [batch, sequence], and " in str(raised.value)
    assert "token_type_ids [batch, sequence]: " in str(raised.value)
    assert "--reference" in str(raised.value.hint)
    monkeypatch.setattr(models, "_POSITIONS", 32)
    short = models.tiny("bert", tmp_path / "short")
    with pytest.raises(UserError, match=r"takes sequence up to 32, and .* up to 64: they"):
        recover("prune-recover", reference=read_source(short, into=tmp_path / "read"))


def test_an_original_with_more_inputs(
    source: Artifact, tiny_source: Callable[..., Artifact], recover: Recover, tmp_path: Path
) -> None:
    other = tiny_source("distilbert")
    made = recover(
        "prune-recover", of=other, reference=source, data=rows_for(other, tmp_path), max_steps=1
    )
    assert made.outcome["steps"] == 1


def test_an_original_of_another_width(
    recover: Recover, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(models, "_HIDDEN", 16)
    narrow = models.tiny("bert", tmp_path / "narrow")
    reference = read_source(narrow, into=tmp_path / "read")
    with pytest.raises(UserError, match=r"are \[\d+, 32\], and .* \[\d+, 16\]: one") as raised:
        recover("prune-recover", reference=reference)
    assert "hidden=0" in str(raised.value.hint)
    assert recover("prune-recover", reference=reference, hidden=0, max_steps=1)


def test_files_tell_what_was_done(sparse: Result) -> None:
    stored = json.loads((sparse.folder / "artifact.json").read_text("utf-8"))
    outcome = stored["facts"]["recovery"]
    assert outcome["steps"] == 6
    assert outcome["reason"] is None
    assert outcome["step"] in (4, 6)
