"""Fixtures of the Intel plugin's tests."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import models
import pytest
from intel_steps import Steps

from hwcore.contract import Artifact, Dataset
from hwcore.data import build_dataset, visible

ROWS = 24


@pytest.fixture(scope="session")
def steps(tmp_path_factory: pytest.TempPathFactory) -> Steps:
    return Steps(tmp_path_factory.mktemp("steps"))


@pytest.fixture(scope="session")
def tiny_data(
    tmp_path_factory: pytest.TempPathFactory, tiny_source: Callable[..., Artifact]
) -> Callable[..., Dataset]:
    """``tiny_data(family, seed=0)``: `ROWS` rows to calibrate with, and as many to tune with."""

    @cache
    def build(family: models.Family, seed: int = 0) -> Dataset:
        root = tmp_path_factory.mktemp(f"data-{family}")
        if family == "vit":
            material = models.write_images(root / "images", 2 * ROWS, seed=seed)
        else:
            material = models.write_csv(root / "texts.csv", models.reviews(2 * ROWS, seed=seed))
        rows = {"calibration": ROWS, "tune": ROWS}
        out = root / "dataset"
        return visible(build_dataset(material, tiny_source(family), out=out, rows=rows, seed=seed))

    return build
