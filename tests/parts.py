"""Small valid values of the contract, and disks that refuse, for tests of the core."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hwcore.artifacts import write_artifact
from hwcore.artifacts.digest import file_entries
from hwcore.contract import (
    Array,
    Artifact,
    ArtifactManifest,
    Capability,
    Column,
    Component,
    Dataset,
    DatasetInfo,
    Device,
    Dim,
    Integers,
    LineageStep,
    Manifest,
    Mask,
    Metric,
    Normal,
    Pattern,
    Plan,
    PlannedStep,
    Produces,
    Signature,
    Target,
    TensorSpec,
)
from hwcore.data.layout import VISIBLE, role_folder
from hwcore.data.store import write_info
from hwcore.data.writer import write_rows
from hwcore.evaluate import Quality
from hwcore.host import PluginRecord
from hwcore.measure import Ratio, Timing
from hwcore.workflows.study import Goal, StudyFile, Trial

DUMMIES = Path(__file__).parent / "dummies"

CPU = Target(kind="cpu", vendor="AMD", features=("avx2", "avx512_vnni", "vnni"))


def text_signature(*, outputs: int = 2, most: int | None = 64) -> Signature:
    """A classifier of texts: token ids and mask in, logits out."""
    return Signature(
        inputs=(
            TensorSpec(
                name="input_ids",
                dtype="int64",
                shape=("batch", "sequence"),
                fill=Integers(high=100),
            ),
            TensorSpec(
                name="attention_mask", dtype="int64", shape=("batch", "sequence"), fill=Mask()
            ),
        ),
        outputs=(TensorSpec(name="logits", dtype="float32", shape=("batch", outputs)),),
        dims=(Dim(name="batch"), Dim(name="sequence", max=most)),
    )


def vector_signature(*, width: int = 4, outputs: int = 3) -> Signature:
    """``y = f(x)`` of rows of numbers."""
    return Signature(
        inputs=(TensorSpec(name="x", dtype="float32", shape=("batch", width), fill=Normal()),),
        outputs=(TensorSpec(name="y", dtype="float32", shape=("batch", outputs)),),
        dims=(Dim(name="batch"),),
    )


def write_files(folder: Path, files: Mapping[str, bytes]) -> None:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)


def artifact(
    folder: Path,
    files: Mapping[str, bytes] | None = None,
    *,
    users: Path | None = None,
    **manifest: Any,
) -> Artifact:
    """An artifact of ``files`` in ``folder``; with ``users``, one that refers to files there."""
    files = files if files is not None else {"model.bin": b"weights"}
    folder.mkdir(parents=True, exist_ok=True)
    root = users or folder
    write_files(root, files)
    defaults: dict[str, Any] = {
        "format": "toy",
        "task": "text-classification",
        "components": {"model": Component(signature=text_signature())},
        "location": str(users) if users else None,
    }
    return write_artifact(
        folder,
        ArtifactManifest(files=file_entries(root, files), **(defaults | manifest)),
    )


def linear(folder: Path, *, seed: int = 0) -> Artifact:
    """``y = x @ w``, four to three, as the steps plugin reads it."""
    folder.mkdir(parents=True)
    weights = np.random.default_rng(seed).normal(size=(4, 3)).astype(np.float32)
    np.savez(folder / "model.npz", w=weights, scale=np.float32(1))
    component = Component(signature=vector_signature(), file="model.npz")
    content = (folder / "model.npz").read_bytes()
    return artifact(
        folder, {"model.npz": content}, components={"model": component}, task="feature-extraction"
    )


def step(**changes: Any) -> LineageStep:
    defaults: dict[str, Any] = {
        "hook": "quantize",
        "plugin": "acme",
        "version": "1.0",
        "capability": "int8",
    }
    return LineageStep(**(defaults | changes))


def row(id: str, hook: str = "quantize", *, takes: str = "toy", **changes: Any) -> Capability:
    """A capability that takes and gives ``toy``; a ``run`` row is lossless."""
    defaults: dict[str, Any] = {
        "id": id,
        "hook": hook,
        "inputs": (Pattern(format=takes),),
        "output": None if hook == "run" else Produces(format="toy"),
        "lossless": hook == "run",
    }
    return Capability(**(defaults | changes))


def record(name: str, *capabilities: Capability, **changes: Any) -> PluginRecord:
    """A plugin that was found, with these rows in its manifest."""
    manifest = Manifest(
        name=name,
        vendor="Dummies",
        summary="A dummy.",
        contract=">=1,<2",
        capabilities=capabilities,
    )
    defaults: dict[str, Any] = {
        "name": name,
        "distribution": f"core-plugin-{name}",
        "version": "1.0",
        "entry_point": f"{name}.plugin",
        "state": "found",
        "manifest": manifest,
    }
    return PluginRecord(**(defaults | changes))


def dataset(
    folder: Path,
    rows: Mapping[str, int],
    *,
    labelled: bool = True,
    lengths: tuple[int, ...] = (3, 9, 5),
) -> Dataset:
    """Token ids of unlike lengths, which repeat over the rows of a role, and random labels."""
    rng = np.random.default_rng(0)
    column = Column(dtype="int64", shape=(None,))

    def chunk(count: int) -> dict[str, list[Array]]:
        sizes = [lengths[place % len(lengths)] for place in range(count)]
        return {
            "input_ids": [rng.integers(1, 100, size) for size in sizes],
            "attention_mask": [np.ones(size, np.int64) for size in sizes],
        }

    columns = {"input_ids": column, "attention_mask": column}
    return _write_dataset(folder, rows, columns, chunk, labelled)


def vectors(folder: Path, rows: Mapping[str, int]) -> Dataset:
    """Labelled rows for the model of `linear`."""
    rng = np.random.default_rng(0)

    def chunk(count: int) -> dict[str, list[Array]]:
        return {"x": list(rng.normal(size=(count, 4)).astype(np.float32))}

    return _write_dataset(folder, rows, {"x": Column(dtype="float32", shape=(4,))}, chunk, True)


def _write_dataset(
    folder: Path,
    rows: Mapping[str, int],
    columns: dict[str, Column],
    chunk: Callable[[int], dict[str, list[Array]]],
    labelled: bool,
) -> Dataset:
    info = DatasetInfo(
        task="text-classification",
        columns=columns,
        labels=("negative", "positive") if labelled else (),
        metric=Metric(name="accuracy") if labelled else None,
        rows=rows,
    )
    rng = np.random.default_rng(1)
    (folder / VISIBLE).mkdir(parents=True)
    for role, count in info.rows.items():
        write_rows(
            role_folder(folder, role),
            columns,
            [chunk(count)],
            ids=range(count),
            labels=rng.integers(0, 2, count).tolist() if labelled else None,
        )
    return Dataset(path=folder, info=write_info(folder, info))


def timing(**changes: Any) -> Timing:
    defaults: dict[str, Any] = {
        "workload": "batch 1",
        "batch": 1,
        "median_ms": 5.0,
        "p90_ms": 6.0,
        "p99_ms": 7.0,
        "throughput": 200.0,
        "calls": 40,
    }
    return Timing(**(defaults | changes))


def quality(value: float = 0.9, *, bound: float = 0.0, **changes: Any) -> Quality:
    """What accuracy a trial has against a reference of 0.9, and how bad its drop may be."""
    defaults: dict[str, Any] = {
        "metric": "accuracy",
        "reference": 0.9,
        "drop": 0.9 - value,
        "rows": 2000,
        "cosine": 0.99,
        "max_error": 0.1,
        "changed": 3,
    }
    return Quality(value=value, drop_bound=bound, **(defaults | changes))


def trial(name: str, *, speed: float | None = None, **changes: Any) -> Trial:
    """A trial whose id is ``id-<name>``; with a ``speed``, one that was measured."""
    measured: dict[str, Any] = {}
    if speed is not None:
        measured = {
            "state": "measured",
            "speedups": (Ratio(value=speed, low=0.9 * speed, high=1.1 * speed),),
            "timings": (timing(median_ms=10 / speed),),
            "quality": quality(),
        }
    run = PlannedStep(hook="run", plugin="acme", capability="cpu")
    plan = Plan(name=name, source="50ce", target=CPU, work=(), run=run)
    return Trial(**({"id": f"id-{name}", "plan": plan} | measured | changes))


def study(*trials: Trial, **changes: Any) -> StudyFile:
    defaults: dict[str, Any] = {
        "hwcore_version": "0.1",
        "source": {"model": "models/mine", "digest": "50ce"},
        "data": {"digest": "da7a"},
        "goal": Goal(max_drop=0.01, batch_sizes=(1, 8), length=None, rows=None, seed=0),
        "target": CPU,
        "device": Device(id="cpu", kind="cpu", name="EPYC"),
        "environment": {"threads": 2},
    }
    return StudyFile(trials=trials, **(defaults | changes))


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[Path]:
    """A disk of that size (``4m``) at ``folder``: a tmpfs. Skips where mounting is not allowed."""
    folder.mkdir(exist_ok=True)
    _mount("-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder))
    try:
        yield folder
    finally:
        # At once for all who look, even while a file of it is still open.
        _run("umount", "-l", str(folder))


@contextmanager
def read_only(folder: Path) -> Iterator[Path]:
    """Nothing can be written below ``folder`` meanwhile. Root takes a mount, others modes."""
    if os.geteuid() != 0:
        folders = [folder, *(path for path in folder.rglob("*") if path.is_dir())]
        for path in folders:
            path.chmod(0o555)
        try:
            yield folder
        finally:
            for path in folders:
                path.chmod(0o755)
        return
    _mount("--bind", str(folder), str(folder))
    try:
        _mount("-o", "remount,bind,ro", str(folder))
        yield folder
    finally:
        _run("umount", "-l", str(folder))


def _mount(*arguments: str) -> None:
    if sys.platform != "linux":
        pytest.skip("needs Linux to mount a disk")
    done = _run("mount", *arguments)
    if done.returncode:
        pytest.skip(f"needs the right to mount a disk: {done.stderr.splitlines()[0]}")


def _run(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    path = shutil.which(program) or program
    return subprocess.run([path, *arguments], capture_output=True, text=True, check=False)
