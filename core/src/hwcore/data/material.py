"""What a dataset is made of before rows are chosen."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from hwcore.contract import Array, Artifact, Column


class Material(Protocol):
    """Rows of the user's data, numbered from 0, that can be turned into model inputs."""

    path: Path
    columns: dict[str, Column]
    labels: list[int] | None
    """Class id of each row; ``None`` when they have none."""

    def __len__(self) -> int: ...

    def keys(self, rows: Sequence[int]) -> list[bytes]:
        """What tells rows apart: rows with equal keys are the same to the model."""
        ...

    def inputs(self, rows: Sequence[int]) -> dict[str, list[Array]]:
        """Model inputs of rows whose keys were asked for, by column."""
        ...


def classes(source: Artifact) -> tuple[str, ...]:
    """Names of the classes that a model tells apart; empty if it is no classifier."""
    names = source.manifest.facts.get("labels")
    return tuple(str(name) for name in names) if isinstance(names, list) else ()
