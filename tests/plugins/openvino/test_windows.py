"""Attention to near tokens only, beside padding that has nothing near."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from openvino_steps import Steps

from hwcore.contract import Artifact
from hwcore.transformers import read_source

LENGTH, PADDED = 20, 40


@pytest.fixture
def modernbert(tmp_path: Path) -> Artifact:
    from transformers import ModernBertConfig, ModernBertForSequenceClassification

    config = ModernBertConfig(
        vocab_size=64,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=3,
        num_attention_heads=4,
        max_position_embeddings=64,
        local_attention=16,
        pad_token_id=0,
        bos_token_id=2,
        eos_token_id=3,
        cls_token_id=2,
        sep_token_id=3,
        classifier_pooling="mean",
    )
    ModernBertForSequenceClassification(config).save_pretrained(tmp_path / "model")
    return read_source(tmp_path / "model", into=tmp_path / "source")


def test_far_padding_is_not_nan(modernbert: Artifact, steps: Steps) -> None:
    ids = np.arange(5, 5 + LENGTH, dtype=np.int64)[None]
    alone = {"input_ids": ids, "attention_mask": np.ones_like(ids)}
    room = ((0, 0), (0, PADDED - LENGTH))
    padded = {name: np.pad(array, room) for name, array in alone.items()}
    with closing(steps.run(steps.export(modernbert))) as runner:
        expected = runner(alone)["logits"]
        np.testing.assert_allclose(runner(padded)["logits"], expected, atol=1e-4)
