"""Opening what the user named."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import parts
import pytest

from hwcore.artifacts import Cache
from hwcore.contract import ArtifactCorrupt, UserError
from hwcore.workflows.source import open_source


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "cache")


def test_an_artifact_is_read_where_it_lies(tmp_path: Path, cache: Cache) -> None:
    made = parts.artifact(tmp_path / "made")
    with ExitStack() as held:
        assert open_source(str(tmp_path / "made"), cache, held) == made
        assert list((cache.root / "tmp").iterdir()) == []


def test_an_artifact_is_verified_on_demand(tmp_path: Path, cache: Cache) -> None:
    file = parts.artifact(tmp_path / "made").path / "model.bin"
    time = file.stat().st_mtime_ns
    file.write_bytes(b"weightz")
    os.utime(file, ns=(time, time))
    with ExitStack() as held:
        open_source(str(tmp_path / "made"), cache, held)
        with pytest.raises(ArtifactCorrupt, match=r"model.bin is not the file that was written"):
            open_source(str(tmp_path / "made"), cache, held, verify=True)


def test_a_users_model_is_referred_to_while_it_is_used(
    tiny: Callable[..., Path], cache: Cache
) -> None:
    model = tiny("bert")
    before = {path: path.stat().st_mtime_ns for path in model.iterdir()}
    with ExitStack() as held:
        source = open_source(str(model), cache, held)
        assert (source.format, source.task) == ("transformers", "text-classification")
        assert source.root == model
        assert source.path.is_relative_to(cache.root / "tmp")
    assert list((cache.root / "tmp").iterdir()) == []
    assert {path: path.stat().st_mtime_ns for path in model.iterdir()} == before


def test_what_cannot_be_read_leaves_nothing_behind(tmp_path: Path, cache: Cache) -> None:
    def read_in_vain() -> None:
        with ExitStack() as held:
            open_source(str(tmp_path / "gone"), cache, held)

    with pytest.raises(UserError):
        read_in_vain()
    assert list((cache.root / "tmp").iterdir()) == []
