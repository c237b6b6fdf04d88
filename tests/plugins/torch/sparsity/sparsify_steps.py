"""The hook ``sparsify``, called as the host calls it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from core_plugin_torch import plugin
from hwcore.artifacts import seal
from hwcore.contract import Artifact, Dataset, LineageStep, Target


@dataclass
class Context:
    """A `hwcore.contract.Context` that keeps what it is told; ``stop_after`` cancels."""

    seed: int = 0
    threads: int = 1
    stop_after: int | None = None
    fractions: list[float] = field(default_factory=list)
    asked: int = 0

    def progress(self, fraction: float, message: str = "") -> None:
        self.fractions.append(fraction)

    def cancelled(self) -> bool:
        self.asked += 1
        return self.stop_after is not None and self.asked > self.stop_after

    def log(self, message: str, level: str = "info") -> None:
        raise AssertionError(f"unexpected: {message}")

    def score(self, predict: Any) -> float:
        raise AssertionError("no row of these scores")


def sparsified(
    source: Artifact,
    capability: str,
    out: Path,
    *,
    data: Dataset | None = None,
    ctx: Any = None,
    **options: Any,
) -> Artifact:
    """A sealed artifact in the new folder ``out``."""
    out.mkdir()
    draft = plugin.sparsify(
        source=source,
        capability=capability,
        options=options,
        data=data,
        target=Target(),
        reference=source,
        out=out,
        ctx=ctx or Context(),
    )
    step = LineageStep(hook="sparsify", plugin="torch", version="0", capability=capability)
    return seal(out, draft, source, step)
