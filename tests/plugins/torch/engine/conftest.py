"""Fixtures of the tests of exporting, quantizing, compiling and running programs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache

import models
import pytest
import torch
from engine_steps import Steps

from hwcore.contract import Artifact, Dataset, Target
from hwcore.data import build_dataset, visible
from hwcore.host import local_cpu

ROWS = 24


@pytest.fixture(scope="session")
def steps(tmp_path_factory: pytest.TempPathFactory) -> Steps:
    return Steps(tmp_path_factory.mktemp("steps"), Target.of(local_cpu()))


@pytest.fixture(autouse=True)
def _torch_threads() -> Iterator[None]:
    """Runners set the number of threads, which is the whole process's: leave it as it was."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def tiny_data(
    tmp_path_factory: pytest.TempPathFactory, tiny_source: Callable[..., Artifact]
) -> Callable[..., Dataset]:
    """``tiny_data(family, seed=0)``: `ROWS` calibration rows."""

    @cache
    def build(family: models.Family, seed: int = 0) -> Dataset:
        root = tmp_path_factory.mktemp(f"data-{family}")
        if family == "vit":
            material = models.write_images(root / "images", ROWS, seed=seed)
        else:
            material = models.write_csv(root / "texts.csv", models.reviews(ROWS, seed=seed))
        out = root / "dataset"
        rows = {"calibration": ROWS}
        return visible(build_dataset(material, tiny_source(family), out=out, rows=rows, seed=seed))

    return build
