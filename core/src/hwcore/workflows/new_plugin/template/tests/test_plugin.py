"""The plugin does what its manifest says: used as a user does it, and without torch."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from pathlib import Path

import hwcore
import numpy as np
import pytest
from hwcore.contract import Array, ArtifactCorrupt, Signature
from safetensors.numpy import save_file

from acme_hwcore.engine import QKV, Encoder, shapes

CONFIG = {
    "architectures": ["BertModel"],
    "model_type": "bert",
    "hidden_act": "gelu",
    "hidden_size": 16,
    "intermediate_size": 24,
    "layer_norm_eps": 1e-12,
    "max_position_embeddings": 12,
    "num_attention_heads": 4,
    "num_hidden_layers": 2,
    "pad_token_id": 0,
    "type_vocab_size": 2,
    "vocab_size": 30,
}
LENGTHS = (12, 5, 1)
"""Tokens of the rows of a batch: as many as there are positions, some, and one."""


@pytest.fixture
def weights() -> dict[str, Array]:
    rng = np.random.default_rng(0)
    return {
        name: rng.normal(scale=0.5, size=shape).astype(np.float32)
        for name, shape in shapes(CONFIG).items()
    }


@pytest.fixture
def batch() -> dict[str, Array]:
    """Rows that are padded to one length."""
    rng = np.random.default_rng(1)
    shape = len(LENGTHS), max(LENGTHS)
    return {
        "input_ids": rng.integers(1, 30, size=shape),
        "attention_mask": (np.arange(max(LENGTHS)) < np.array(LENGTHS)[:, None]).astype(np.int64),
        "token_type_ids": rng.integers(0, 2, size=shape),
    }


def save(folder: Path, weights: dict[str, Array], **changes: object) -> Path:
    """A model as transformers saves it."""
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(CONFIG | changes), "utf-8")
    save_file(weights, folder / "model.safetensors")
    return folder


def export(model: Path, out: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """``hwcore export``, with this plugin alone."""
    return subprocess.run(
        [
            *(sys.executable, "-m", "hwcore", "export", str(model), "--plugin", "acme"),
            *("--out", str(out), *options),
        ],
        env={
            **os.environ,
            "HWCORE_CACHE": str(out.parent / "cache"),
            "HWCORE_PLUGINS": "acme",
        },
        capture_output=True,
        text=True,
        check=False,
    )


def answer(model: Path, inputs: dict[str, Array], out: Path, *options: str) -> Array:
    """What the model gives for the inputs after it was exported."""
    done = export(model, out, *options)
    assert done.returncode == 0, done.stderr
    with hwcore.load(out) as loaded:
        return loaded(inputs)["last_hidden_state"]


def plain(weights: dict[str, Array], ids: Array, segments: Array) -> Array:
    """BERT for one row without padding, in float64, one head after another."""
    w = {name: array.astype(np.float64) for name, array in weights.items()}

    def linear(name: str, x: Array) -> Array:
        return x @ w[f"{name}.weight"].T + w[f"{name}.bias"]

    def norm(name: str, x: Array) -> Array:
        x = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-12)
        return x * w[f"{name}.weight"] + w[f"{name}.bias"]

    x = w["embeddings.word_embeddings.weight"][ids]
    x = x + w["embeddings.position_embeddings.weight"][: len(ids)]
    x = norm("embeddings.LayerNorm", x + w["embeddings.token_type_embeddings.weight"][segments])
    for layer in range(2):
        name, heads = f"encoder.layer.{layer}", []
        for columns in np.split(np.arange(16), 4):
            q, k, v = (linear(f"{name}.attention.self.{part}", x)[:, columns] for part in QKV)
            shares = np.exp(q @ k.T / math.sqrt(4))
            heads.append(shares / shares.sum(-1, keepdims=True) @ v)
        joined = linear(f"{name}.attention.output.dense", np.concatenate(heads, -1))
        x = norm(f"{name}.attention.output.LayerNorm", x + joined)
        wide = linear(f"{name}.intermediate.dense", x)
        wide = wide * (1 + np.vectorize(math.erf)(wide / math.sqrt(2))) / 2
        x = norm(f"{name}.output.LayerNorm", x + linear(f"{name}.output.dense", wide))
    return x


def test_padded_rows_are_answered_as_each_row_alone(
    weights: dict[str, Array], batch: dict[str, Array], tmp_path: Path
) -> None:
    found = answer(save(tmp_path / "model", weights), batch, tmp_path / "out")
    for row, length in enumerate(LENGTHS):
        ids, segments = (batch[name][row, :length] for name in ("input_ids", "token_type_ids"))
        wanted = plain(weights, ids, segments)
        np.testing.assert_allclose(found[row, :length], wanted, atol=1e-4)


def test_a_half_precision_model_that_had_a_head_is_taken(
    weights: dict[str, Array], batch: dict[str, Array], tmp_path: Path
) -> None:
    half = {name: array.astype(np.float16) for name, array in weights.items()}
    whole = {name: array.astype(np.float32) for name, array in half.items()}
    head = {"classifier.weight": np.ones((2, 16), np.float16)}
    saved = {f"bert.{name}": array for name, array in half.items()} | head
    found = answer(save(tmp_path / "half", saved), batch, tmp_path / "out")
    wanted = answer(save(tmp_path / "whole", whole), batch, tmp_path / "wanted")
    np.testing.assert_array_equal(found, wanted)


def test_compressed_is_smaller_and_answers_the_same(
    weights: dict[str, Array], batch: dict[str, Array], tmp_path: Path
) -> None:
    model, small = save(tmp_path / "model", weights), tmp_path / "small"
    wanted = answer(model, batch, tmp_path / "out")
    found = answer(model, batch, small, "-o", "compressed=true")
    np.testing.assert_array_equal(found, wanted)
    sizes = [(folder / "model.npz").stat().st_size for folder in (small, tmp_path / "out")]
    assert sizes == sorted(set(sizes))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"hidden_act": "relu"}, "whose hidden_act is 'gelu', and this one's is 'relu'"),
        (
            {"architectures": ["ElectraModel"], "model_type": "electra"},
            "whose model_type is 'bert', and this one's is 'electra'",
        ),
        ({"intermediate_size": 20}, "has no encoder.layer.0.intermediate.dense.weight"),
        ({"num_hidden_layers": 3}, "has no encoder.layer.2.attention.self.query.weight"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, dict) else "",
)
def test_what_it_cannot_take_is_refused(
    changes: dict[str, object], reason: str, weights: dict[str, Array], tmp_path: Path
) -> None:
    done = export(save(tmp_path / "model", weights, **changes), tmp_path / "out")
    assert done.returncode == 2
    assert reason in done.stderr
    assert "hint: " in done.stderr
    assert not (tmp_path / "out").exists()


def test_a_damaged_file_is_refused(weights: dict[str, Array], tmp_path: Path) -> None:
    export(save(tmp_path / "model", weights), tmp_path / "out")
    whole = (tmp_path / "out" / "model.npz").read_bytes()
    file = tmp_path / "cut.npz"
    file.write_bytes(whole[:-100])
    with pytest.raises(ArtifactCorrupt, match=r"cut\.npz cannot be read"):
        Encoder(file, Signature(inputs=(), outputs=()))


def test_weights_without_the_settings_are_refused(
    weights: dict[str, Array], tmp_path: Path
) -> None:
    file = tmp_path / "bare.npz"
    np.savez(file, **weights)
    with pytest.raises(ArtifactCorrupt, match=r"bare\.npz cannot be read: .*heads"):
        Encoder(file, Signature(inputs=(), outputs=()))
