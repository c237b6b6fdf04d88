"""A toy model, and a plugin made of numpy that runs it: every command without an engine."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import parts
import pytest
from command import Command

from hwcore.contract import Component


@pytest.fixture
def hwcore(tmp_path: Path) -> Command:
    """The command, with the plugin ``steps`` installed beside the real ones."""
    return Command(
        tmp_path / "cache", {"COLUMNS": "300"}, plugins=(parts.DUMMIES / "steps_engine",)
    )


@pytest.fixture
def toy(tmp_path: Path) -> Path:
    """The folder of an artifact ``y = x @ w``, which the plugin ``steps`` runs."""
    folder = tmp_path / "toy"
    folder.mkdir()
    weights = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)
    np.savez(folder / "model.npz", w=weights, scale=np.float32(1))
    parts.artifact(
        folder,
        {"model.npz": (folder / "model.npz").read_bytes()},
        components={"model": Component(signature=parts.vector_signature(), file="model.npz")},
    )
    return folder
