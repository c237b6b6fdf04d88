"""What the end-to-end tests share: models, data, and one whole optimize that many look at."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import models
import pytest
from command import Command, sketching
from optimizing import DROP, ONNX, QUICK, ROWS, Optimized


@pytest.fixture(scope="session")
def bert(tiny: Callable[..., Path]) -> Path:
    """A classifier of texts."""
    return tiny("bert")


@pytest.fixture(scope="session")
def reviews(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Labelled texts."""
    return models.write_csv(tmp_path_factory.mktemp("data") / "reviews.csv", models.reviews(ROWS))


@pytest.fixture(scope="session")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Labelled images."""
    return models.write_images(tmp_path_factory.mktemp("data") / "images", ROWS)


@pytest.fixture
def hwcore(tmp_path: Path) -> Command:
    """The command with an empty cache and all our plugins."""
    return Command(tmp_path / "cache")


@pytest.fixture
def sketch(tmp_path: Path) -> Command:
    """The command with an empty cache and one small plugin, which takes seconds."""
    return sketching(tmp_path / "cache")


@pytest.fixture(scope="session")
def optimized(bert: Path, reviews: Path, tmp_path_factory: pytest.TempPathFactory) -> Optimized:
    """All recipes of all plugins tried on a classifier and labelled texts.

    Takes minutes, in each process that tests run in: for tests of one file. `onnx` does for others.
    """
    return optimize(bert, reviews, tmp_path_factory.mktemp("optimized"))


@pytest.fixture(scope="session")
def onnx(bert: Path, reviews: Path, tmp_path_factory: pytest.TempPathFactory) -> Optimized:
    """One recipe of ONNX Runtime tried."""
    home = tmp_path_factory.mktemp("onnx")
    return optimize(bert, reviews, home, "--recipe", ONNX)


def optimize(bert: Path, reviews: Path, home: Path, *more: object) -> Optimized:
    hwcore = Command(home / "cache")
    arguments = ("optimize", bert, "--data", reviews, *DROP, *QUICK, *more)
    arguments = (*arguments, "--study", home / "study", "--out", home / "out")
    done = hwcore(*arguments, timeout=900).check()  # it compiles seven times
    study = json.loads((home / "study" / "study.json").read_text())
    return Optimized(hwcore, arguments, done, home / "out", study, home / "study")
