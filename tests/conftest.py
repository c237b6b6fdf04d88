"""Fixtures that every test may use."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

# Set before any library reads it: a test that reaches for the network is a mistake.
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
# Threads that wait by spinning take the cores from the processes under test.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import hypothesis
import models

from hwcore.contract import Artifact

# Time limits on examples fail at random on a busy machine.
hypothesis.settings.register_profile("hwcore", deadline=None)
hypothesis.settings.load_profile("hwcore")

# A shell's background job ignores Ctrl-C, and one under nohup the end of its terminal: so would
# every process that tests stop.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.fixture(scope="session", autouse=True)
def private_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The cache of this run: never the user's."""
    root = tmp_path_factory.mktemp("hwcore-cache")
    os.environ["HWCORE_CACHE"] = str(root)
    return root


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """``tiny(family, task=None)``: the folder of a small random model, made once per session."""
    root = tmp_path_factory.mktemp("models")

    def build(family: models.Family, task: str | None = None) -> Path:
        folder = root / f"{family}-{task}"
        return folder if folder.exists() else models.tiny(family, folder, task=task)

    return build


@pytest.fixture(scope="session")
def tiny_source(
    tiny: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., Artifact]:
    """``tiny_source(family, task=None)``: the source artifact of such a model."""
    from hwcore.transformers import read_source

    root = tmp_path_factory.mktemp("sources")

    def read(family: models.Family, task: str | None = None) -> Artifact:
        return read_source(tiny(family, task), into=root / f"{family}-{task}")

    return read


@pytest.fixture(scope="session")
def minilm_source(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    """The source artifact of the packaged all-MiniLM-L6-v2."""
    from hwcore.transformers import read_source

    return read_source(models.minilm(), into=tmp_path_factory.mktemp("minilm"))
