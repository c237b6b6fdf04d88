"""Fixtures of sensitivity's tests: a model one of whose layers int8 breaks, and rows for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import models
import pytest
import torch
from sensitivity_steps import CUT, ROWS, SEED

from hwcore.contract import Artifact, Dataset
from hwcore.data import build_dataset, visible
from hwcore.transformers import read_source


@pytest.fixture(autouse=True)
def _torch_threads() -> Iterator[None]:
    """The number of threads is the whole process's: leave it as it was."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def source(tiny_source: Callable[..., Artifact]) -> Artifact:
    return tiny_source("bert")


@pytest.fixture(scope="session")
def rows(source: Artifact, tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Labelled rows for `source`."""
    root = tmp_path_factory.mktemp("rows")
    texts = models.write_csv(root / "texts.csv", models.reviews(90))
    counts = {"tune": ROWS, "calibration": 16, "test": 8}
    return visible(build_dataset(texts, source, out=root / "data", rows=counts))


@pytest.fixture(scope="session")
def outliers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A BERT in which one layer reads some channels that are a thousand times the others.

    In float32 it answers as it did before: the layer makes up for it.
    """
    from transformers import BertForSequenceClassification

    folder = models.tiny("bert", tmp_path_factory.mktemp("outliers") / "model", seed=SEED)
    model = BertForSequenceClassification.from_pretrained(folder)
    with torch.no_grad():
        attention = model.bert.encoder.layer[0].attention
        attention.self.value.weight[::CUT] *= 1000
        attention.self.value.bias[::CUT] *= 1000
        attention.output.dense.weight[:, ::CUT] /= 1000
    model.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def answered(outliers: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Reviews labelled as `outliers` answers them: whatever changes an answer loses."""
    from transformers import AutoTokenizer, BertForSequenceClassification

    model = BertForSequenceClassification.from_pretrained(outliers).eval()
    tokenizer = AutoTokenizer.from_pretrained(outliers)
    found = models.reviews(420)
    with torch.inference_mode():
        for row in found:
            logits = model(**tokenizer(row["text"], truncation=True, return_tensors="pt")).logits
            row["label"] = models.LABELS[int(logits.argmax())]
    return models.write_csv(tmp_path_factory.mktemp("answered") / "reviews.csv", found)


@pytest.fixture(scope="session")
def outlier_source(outliers: Path, tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    return read_source(outliers, into=tmp_path_factory.mktemp("outlier-source"))
