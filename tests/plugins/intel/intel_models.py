"""Saved models with what those of `models` do not have."""

from __future__ import annotations

from pathlib import Path

import models

from hwcore.contract import Artifact, Dataset
from hwcore.data import build_dataset, visible


def uneven(folder: Path, inner: int) -> Path:
    """Save a BERT whose feed-forward networks are ``inner`` wide; give ``folder``."""
    import torch
    from transformers import BertConfig, BertForSequenceClassification

    models.tiny("bert", folder)
    config = BertConfig.from_pretrained(folder)
    config.intermediate_size = inner
    torch.manual_seed(0)
    BertForSequenceClassification(config).save_pretrained(folder)
    return folder


def deberta(folder: Path) -> Path:
    """Save a DeBERTa-v3, whose attention reads a table of relative positions; give ``folder``."""
    import torch
    from transformers import BertConfig, DebertaV2Config, DebertaV2ForSequenceClassification

    models.tiny("bert", folder)  # its tokenizer stays
    torch.manual_seed(0)
    config = DebertaV2Config(
        vocab_size=BertConfig.from_pretrained(folder).vocab_size,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=64,
        max_position_embeddings=64,
        relative_attention=True,
        pos_att_type="c2p|p2c",
        position_buckets=16,
        share_att_key=True,
        norm_rel_ebd="layer_norm",
        position_biased_input=False,
        initializer_range=0.25,
        id2label=dict(enumerate(models.LABELS)),
        label2id={label: index for index, label in enumerate(models.LABELS)},
    )
    DebertaV2ForSequenceClassification(config).save_pretrained(folder)
    return folder


def dataset(source: Artifact, root: Path) -> Dataset:
    """Rows to calibrate with, written below ``root``."""
    material = models.write_csv(root / "texts.csv", models.reviews(24))
    rows = {"calibration": 24}
    return visible(build_dataset(material, source, out=root / "dataset", rows=rows))
