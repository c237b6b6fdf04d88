"""Fixtures of recovery's tests: a small model, rows for it, and one call of a hook."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest
from recovery_steps import SHORT, TARGET, Notes, Result, rows_for

from core_plugin_torch import plugin
from hwcore.artifacts import seal
from hwcore.contract import Artifact, Dataset, LineageStep, Target


@pytest.fixture(scope="session")
def source(tiny_source: Callable[..., Artifact]) -> Artifact:
    return tiny_source("bert")


@pytest.fixture(scope="session")
def rows(source: Artifact, tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Labelled rows for `source`."""
    return rows_for(source, tmp_path_factory.mktemp("rows"))


@pytest.fixture(scope="session")
def recover(
    source: Artifact, rows: Dataset, tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., Result]:
    """``recover(capability, **options)``: one short training, and what it made, sealed."""
    root = tmp_path_factory.mktemp("recovered")
    numbers = itertools.count()

    def call(
        capability: str,
        *,
        of: Artifact = source,
        data: Dataset | None = rows,
        reference: Artifact = source,
        target: Target = TARGET,
        notes: dict[str, Any] | None = None,
        **options: Any,
    ) -> Result:
        out = root / str(next(numbers))
        out.mkdir()
        ctx = Notes(data, of, **(notes or {}))
        hook = "quantize" if capability == "qat" else "sparsify"
        draft = getattr(plugin, hook)(
            source=of,
            capability=capability,
            options=SHORT | options,
            data=data,
            target=target,
            reference=reference,
            out=out,
            ctx=ctx,
        )
        lineage = LineageStep(hook=hook, plugin="torch", version="0", capability=capability)
        return Result(seal(out, draft, of, lineage), draft, ctx, out)

    return call


@pytest.fixture(scope="session")
def sparse(recover: Callable[..., Result]) -> Result:
    """`source` with 75 % zeros in blocks, recovered."""
    return recover("prune-recover", pattern="1x4", share=0.75)
