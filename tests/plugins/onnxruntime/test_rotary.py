"""Rotary embeddings, whose cosines and sines the exporter leaves at a batch of one."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest
from onnxruntime_steps import Steps, torch_runner, worst_error

from hwcore.contract import Artifact
from hwcore.transformers import read_source


@pytest.fixture
def modernbert(tmp_path: Path) -> Artifact:
    from transformers import ModernBertConfig, ModernBertModel

    config = ModernBertConfig(
        vocab_size=64,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=64,
        local_attention=16,
        pad_token_id=0,
        bos_token_id=2,
        eos_token_id=3,
        cls_token_id=2,
        sep_token_id=3,
    )
    ModernBertModel(config).save_pretrained(tmp_path / "model")
    return read_source(tmp_path / "model", into=tmp_path / "source")


def test_several_rows_are_turned_as_one_is(modernbert: Artifact, steps: Steps) -> None:
    """Two and more rows were an error of the engine: an operator with tables of one row."""
    with closing(steps.run(steps.do("onnx", modernbert))) as runner:
        signature = modernbert.component().signature
        assert worst_error(runner, torch_runner(modernbert), signature) < 1e-4
