"""The plugin's hook, called as the host calls it, and what comes out as artifacts and modules."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from core_plugin_intel import plugin
from hwcore.artifacts import seal
from hwcore.contract import Arrays, Artifact, Dataset, LineageStep, Options, Predict
from hwcore.data import batches
from hwcore.transformers import load_module
from hwcore.vendor import quiet


@dataclass
class RecordingContext:
    """A `hwcore.contract.Context` that keeps what it is told; ``stop_after`` cancels."""

    seed: int = 0
    threads: int = 2
    stop_after: int | None = None
    scoring: Callable[[Predict], float] | None = None
    fractions: list[float] = field(default_factory=list)
    lines: list[tuple[str, str]] = field(default_factory=list)
    asked: int = 0

    def progress(self, fraction: float, message: str = "") -> None:
        self.fractions.append(fraction)

    def cancelled(self) -> bool:
        self.asked += 1
        return self.stop_after is not None and self.asked > self.stop_after

    def log(self, message: str, level: str = "info") -> None:
        self.lines.append((level, message))

    def score(self, predict: Predict) -> float:
        assert self.scoring is not None, "this capability should not score"
        return self.scoring(predict)


class Steps:
    """Runs steps, each in a new folder below ``root``; equal ones without options only once."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._made: dict[tuple[str, ...], Artifact] = {}

    def __call__(
        self,
        capability: str,
        source: Artifact,
        data: Dataset | None = None,
        ctx: RecordingContext | None = None,
        **options: Any,
    ) -> Artifact:
        key = (capability, source.digest, data.digest if data else "")
        plain = not options and ctx is None
        if plain and key in self._made:
            return self._made[key]
        artifact = self._do(capability, source, data, ctx or RecordingContext(), options)
        if plain:
            self._made[key] = artifact
        return artifact

    def _do(
        self,
        capability: str,
        source: Artifact,
        data: Dataset | None,
        ctx: RecordingContext,
        options: Options,
    ) -> Artifact:
        out = self._root / f"{capability}-{len(list(self._root.iterdir()))}"
        out.mkdir()
        draft = plugin.quantize(
            source=source, capability=capability, options=options, data=data, out=out, ctx=ctx
        )
        step = LineageStep(hook="quantize", plugin="intel", version="0", capability=capability)
        return seal(out, draft, source, step)


def loaded(artifact: Artifact) -> torch.nn.Module:
    """The module of a ``torch-export`` artifact."""
    with quiet("torch"):
        return exported(artifact).module()


def exported(artifact: Artifact) -> torch.export.ExportedProgram:
    """The program of a ``torch-export`` artifact."""
    with quiet("torch"):
        return torch.export.load(artifact.component_file())


def tensors(artifact: Artifact, arrays: Arrays) -> tuple[torch.Tensor, ...]:
    """Inputs in the signature's order."""
    return tuple(torch.from_numpy(arrays[s.name]) for s in artifact.component().signature.inputs)


def error(source: Artifact, module: torch.nn.Module, data: Dataset) -> float:
    """Of the first output against the float model's, relative, over padded batches of 5 rows."""
    expected, found = [], []
    reference = load_module(source)
    with torch.no_grad():
        for batch in batches(data, "calibration", batch_size=5, limit=20):
            inputs = tensors(source, batch.inputs)
            expected.append(reference(*inputs)[0].numpy().ravel())
            found.append(module(*inputs)[0].numpy().ravel())
    before, after = np.concatenate(expected), np.concatenate(found)
    return float(np.linalg.norm(before - after) / np.linalg.norm(before))
