"""Small real plugins, put where both this process and its workers find them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from dummies.making import DUMMIES, Bench, Events, plugin_name

from hwcore.contract import Artifact, ArtifactManifest
from hwcore.host import discover


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """``install(*folders)``: as if what lies in them were in site-packages."""

    def put_on_path(*folders: Path | str) -> None:
        paths = [str(DUMMIES / folder) for folder in folders]
        inherited = os.environ.get("PYTHONPATH")
        monkeypatch.setenv(
            "PYTHONPATH", os.pathsep.join(paths + ([inherited] if inherited else []))
        )
        for path in paths:
            monkeypatch.syspath_prepend(path)

    return put_on_path


@pytest.fixture
def events() -> Events:
    return Events()


@pytest.fixture
def start(install: Callable[..., None], events: Events) -> Iterator[Callable[..., Bench]]:
    """``start(*dummies, **host arguments)``: a bench with a host of these plugins, closed after."""
    benches: list[Bench] = []

    def make(*dummies: Path | str, **arguments: Any) -> Bench:
        install(*dummies)
        names = tuple(plugin_name(DUMMIES / folder) for folder in dummies)
        arguments.setdefault("on_event", events.append)
        benches.append(Bench(discover(allow=names), arguments))
        return benches[-1]

    yield make
    for bench in benches:
        bench.host.close()


@pytest.fixture
def source(tmp_path: Path) -> Artifact:
    """An artifact of the format that steps begin with; it has no files."""
    manifest = ArtifactManifest(
        format="transformers", task="feature-extraction", components={}, files={}
    )
    return Artifact(path=tmp_path, manifest=manifest)
