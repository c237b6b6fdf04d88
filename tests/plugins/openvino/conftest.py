"""Fixtures of the OpenVINO plugin's tests."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import models
import pytest
from openvino_steps import Steps

from hwcore.contract import Artifact, Dataset, Target
from hwcore.data import build_dataset, visible
from hwcore.host import local_cpu

ROWS = 40


@pytest.fixture(scope="session")
def target() -> Target:
    return Target.of(local_cpu())


@pytest.fixture(scope="session")
def steps(tmp_path_factory: pytest.TempPathFactory, target: Target) -> Steps:
    return Steps(tmp_path_factory.mktemp("steps"), target)


@pytest.fixture(scope="session")
def tiny_data(
    tmp_path_factory: pytest.TempPathFactory, tiny_source: Callable[..., Artifact]
) -> Callable[..., Dataset]:
    """``tiny_data(family, seed=0)``: `ROWS` calibration rows, and none to test with."""

    @cache
    def build(family: models.Family, seed: int = 0) -> Dataset:
        root = tmp_path_factory.mktemp(f"data-{family}")
        if family == "vit":
            material = models.write_images(root / "images", ROWS, seed=seed)
        else:
            material = models.write_csv(root / "texts.csv", models.reviews(ROWS, seed=seed))
        rows = {"calibration": ROWS}
        out = root / "dataset"
        return visible(build_dataset(material, tiny_source(family), out=out, rows=rows, seed=seed))

    return build
