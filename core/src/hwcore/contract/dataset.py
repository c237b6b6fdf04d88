"""A dataset: rows as named arrays with disjoint roles, and the metric that judges a model."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, JsonValue

from hwcore.contract.base import Role, Value


class Metric(Value):
    """A metric as data. Names are those of ``hwcore.data.metrics``; higher is better."""

    name: str
    params: dict[str, JsonValue] = Field(default_factory=dict)


class Column(Value):
    """One named array per row, unpadded: ``shape`` has ``None`` where rows differ in length."""

    dtype: str
    shape: tuple[int | None, ...]
    pad: float = 0
    """What a shorter row is filled with when rows are batched."""


class DatasetInfo(Value):
    """``dataset.json``."""

    schema_version: Literal[1] = 1
    task: str
    columns: dict[str, Column]
    """Model inputs. Labels lie apart, so that no model is ever fed one."""
    labels: tuple[str, ...] = ()
    """Names of the classes, by id; empty when rows carry no label."""
    metric: Metric | None = None
    """``None`` without labels: then a model is judged by agreement with its reference."""
    rows: dict[Role, int]
    seed: int = 0
    digest: str = ""
    """sha256 over every role's rows, ``test`` included."""


class Dataset(Value):
    """A folder of rows. A plugin is handed one whose ``test`` role is not there."""

    path: Path
    info: DatasetInfo

    @property
    def digest(self) -> str:
        return self.info.digest

    def count(self, role: Role) -> int:
        """Rows of a role; 0 when the role is not there."""
        return self.info.rows.get(role, 0)
