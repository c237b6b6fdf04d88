"""Fixtures of the ONNX Runtime plugin's tests."""

from __future__ import annotations

import models
import pytest
from onnxruntime_steps import Steps

from hwcore.contract import Artifact, Dataset, Target
from hwcore.data import build_dataset, visible
from hwcore.host import local_cpu


@pytest.fixture(scope="session")
def target() -> Target:
    return Target.of(local_cpu())


@pytest.fixture(scope="session")
def steps(tmp_path_factory: pytest.TempPathFactory, target: Target) -> Steps:
    return Steps(tmp_path_factory.mktemp("steps"), target)


@pytest.fixture(scope="session")
def prose(tmp_path_factory: pytest.TempPathFactory, minilm_source: Artifact) -> Dataset:
    """Real English for MiniLM, from Python's manual; the tune rows are not calibrated with."""
    from pydoc_data.topics import topics

    paragraphs = [
        " ".join(paragraph.split())
        for text in topics.values()
        for paragraph in text.split("\n\n")
        if len(paragraph.split()) > 40 and "|" not in paragraph
    ]
    root = tmp_path_factory.mktemp("prose")
    file = models.write_jsonl(root / "prose.jsonl", [{"text": text} for text in paragraphs])
    rows = {"calibration": 48, "tune": 24}
    return visible(build_dataset(file, minilm_source, out=root / "dataset", rows=rows))
