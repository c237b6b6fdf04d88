"""One measured number against its goal."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import NamedTuple

from rich.console import Console
from rich.table import Table

RESULTS = Path("build/bench/results.json")


class Row(NamedTuple):
    """``goal`` is a bound on ``value``: ``">= 5"``, ``"<= 120"``."""

    name: str
    group: str
    value: float
    unit: str
    goal: str
    command: str
    note: str = ""

    @property
    def ok(self) -> bool:
        """True when the value keeps the bound."""
        sign, bound = self.goal.split()
        return self.value >= float(bound) if sign == ">=" else self.value <= float(bound)


def write_results(rows: list[Row]) -> None:
    """Replace the rows of the same groups in the results file; keep the others."""
    groups = {row.group for row in rows}
    kept = []
    if RESULTS.exists():
        kept = [r for r in json.loads(RESULTS.read_text("utf-8")) if r["group"] not in groups]
    found = [{**row._asdict(), "value": round(row.value, 4), "ok": row.ok} for row in rows]
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    RESULTS.write_text(json.dumps(kept + found, indent=1, ensure_ascii=False) + "\n", "utf-8")


def show(rows: list[Row]) -> None:
    """A table of the rows."""
    table = Table(box=None, pad_edge=False)
    for column in ("", "what", "value", "goal", "note"):
        table.add_column(column)
    for row in rows:
        mark = "[green]ok[/]" if row.ok else "[red]missed[/]"
        table.add_row(mark, row.name, f"{row.value:.4g} {row.unit}", row.goal, row.note)
    Console(width=None if sys.stdout.isatty() else 180).print(table)
