"""What recovery's tests share: a context, what a call has made, and rows for a model."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import models

from core_plugin_torch import plugin
from hwcore.artifacts import seal
from hwcore.contract import Artifact, Dataset, Draft, LineageStep, Role, Target
from hwcore.contract.context import Level
from hwcore.data import build_dataset, score, visible
from hwcore.host import local_cpu

TARGET = Target.of(local_cpu())
ROWS: dict[Role, int] = {"train": 64, "tune": 32, "test": 8}
SHORT = {"max_steps": 6, "evaluations": 3, "batch_size": 8}
"""A training of some tenths of a second."""


@dataclass
class Notes:
    """A context that writes down what it is told."""

    data: Dataset | None
    source: Artifact
    seed: int = 0
    threads: int = 1
    cancel_at: float = 2.0
    """The progress from which on the step is told to stop."""
    told: list[tuple[float, str]] = field(default_factory=list)
    logged: list[tuple[str, Level]] = field(default_factory=list)

    def progress(self, fraction: float, message: str = "") -> None:
        self.told.append((fraction, message))

    def cancelled(self) -> bool:
        return bool(self.told) and self.told[-1][0] >= self.cancel_at

    def log(self, message: str, level: Level = "info") -> None:
        self.logged.append((message, level))

    def score(self, predict: Any) -> float:
        assert self.data is not None
        return score(self.data, predict, signature=self.source.component().signature)

    @property
    def warnings(self) -> list[str]:
        return [message for message, level in self.logged if level == "warning"]


@dataclass(frozen=True)
class Result:
    """What a call has made."""

    artifact: Artifact
    draft: Draft
    notes: Notes
    folder: Path

    @property
    def outcome(self) -> Any:
        return self.draft.facts["recovery"]


def rows_for(source: Artifact, folder: Path, *, seed: int = 0) -> Dataset:
    texts = models.write_csv(folder / "reviews.csv", models.reviews(110, seed=seed))
    return visible(build_dataset(texts, source, out=folder / "data", rows=ROWS))


def pruned(
    source: Artifact, folder: Path, capability: str = "magnitude", **options: Any
) -> Artifact:
    """A model with zeros that no training has put there."""
    folder.mkdir()
    draft = plugin.sparsify(
        source=source,
        capability=capability,
        options=options,
        data=None,
        target=TARGET,
        reference=source,
        out=folder,
        ctx=Notes(None, source),
    )
    step = LineageStep(hook="sparsify", plugin="torch", version="0", capability=capability)
    return seal(folder, draft, source, step)
