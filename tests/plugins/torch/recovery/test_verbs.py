"""``--recover``, as a user says it: two steps, the second of which keeps the zeros of the first."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import models
import pytest
from recovery_steps import SHORT

from hwcore.artifacts import Cache
from hwcore.contract import UserError
from hwcore.host import PluginHost, discover
from hwcore.workflows.data import DataRequest
from hwcore.workflows.verbs import StepRequest, run_step


@pytest.fixture(scope="module")
def host() -> Iterator[PluginHost]:
    with PluginHost(discover(allow=("torch",)), door="in-process") as host:
        yield host


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "cache")


@pytest.fixture
def data(tmp_path: Path) -> DataRequest:
    return DataRequest(models.write_csv(tmp_path / "reviews.csv", models.reviews(120)))


def test_prune_then_quantize(
    host: PluginHost, cache: Cache, data: DataRequest, tmp_path: Path, tiny: Any
) -> None:
    original = str(tiny("bert"))
    sparse, _ = run_step(
        StepRequest(
            "sparsify",
            original,
            tmp_path / "sparse",
            options=SHORT | {"pattern": "1x4", "share": 0.75},
            data=data,
            recover=True,
        ),
        host,
        cache,
    )
    assert sparse.manifest.lineage[-1].capability == "prune-recover"
    small, executed = run_step(
        StepRequest(
            "quantize",
            str(tmp_path / "sparse"),
            tmp_path / "small",
            options=dict(SHORT),
            data=data,
            recover=True,
            reference=original,
        ),
        host,
        cache,
    )
    assert [step.capability for step in small.manifest.lineage] == ["prune-recover", "qat"]
    assert small.traits.sparsity == sparse.traits.sparsity
    assert executed.steps[-1].check.status == "passed"
    outcomes = [artifact.manifest.facts["recovery"] for artifact in (sparse, small)]
    assert isinstance(outcomes[0], dict)
    assert isinstance(outcomes[1], dict)
    # Both were held against the original, on the same rows.
    assert outcomes[0]["original"] == outcomes[1]["original"]


def test_training_takes_data(host: PluginHost, cache: Cache, tmp_path: Path, tiny: Any) -> None:
    request = StepRequest("quantize", str(tiny("bert")), tmp_path / "out", recover=True)
    with pytest.raises(UserError, match="--recover learns from your data, and there is no --data"):
        run_step(request, host, cache)


def test_a_capability_that_does_not_train(
    host: PluginHost, cache: Cache, data: DataRequest, tmp_path: Path, tiny: Any
) -> None:
    request = StepRequest(
        "sparsify",
        str(tiny("bert")),
        tmp_path / "out",
        capability="magnitude",
        data=data,
        recover=True,
    )
    with pytest.raises(UserError, match="torch has no magnitude that recovers by training") as hint:
        run_step(request, host, cache)
    assert "prune-recover" in str(hint.value.hint)


def test_too_few_rows_to_learn_from(
    host: PluginHost, cache: Cache, tmp_path: Path, tiny: Any
) -> None:
    few = DataRequest(models.write_csv(tmp_path / "few.csv", models.reviews(20)))
    request = StepRequest("quantize", str(tiny("bert")), tmp_path / "out", data=few, recover=True)
    with pytest.raises(UserError, match="needs 32 train rows, has 8: give --data"):
        run_step(request, host, cache)


def test_training_is_not_chosen_unasked(
    host: PluginHost, cache: Cache, data: DataRequest, tmp_path: Path, tiny: Any
) -> None:
    request = StepRequest("sparsify", str(tiny("bert")), tmp_path / "out", data=data)
    with pytest.raises(UserError) as raised:
        run_step(request, host, cache)
    assert "prune-recover" not in str(raised.value)
