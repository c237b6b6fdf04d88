"""Fixtures of the tests of low-rank factors and clustered weights."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import models
import pytest
import torch
from engine_steps import Steps

from hwcore.contract import Artifact, Dataset, Target
from hwcore.data import build_dataset, visible
from hwcore.host import local_cpu


@pytest.fixture(scope="session")
def steps(tmp_path_factory: pytest.TempPathFactory) -> Steps:
    return Steps(tmp_path_factory.mktemp("steps"), Target.of(local_cpu()))


@pytest.fixture(scope="session")
def rows(tiny_source: Callable[..., Artifact], tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Calibration rows for the text models."""
    root = tmp_path_factory.mktemp("rows")
    texts = models.write_csv(root / "texts.csv", models.reviews(80))
    counts = {"calibration": 40, "test": 40}
    return build_dataset(texts, tiny_source("bert"), out=root / "data", rows=counts, seed=0)


@pytest.fixture(scope="session")
def calibration(rows: Dataset) -> Dataset:
    """What a plugin sees of them."""
    return visible(rows)


@pytest.fixture(autouse=True)
def _torch_threads() -> Iterator[None]:
    """Runners set the number of threads, which is the whole process's: leave it as it was."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)
