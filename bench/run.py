"""``make bench``: measure every promise, write the results, fail if one is not kept."""

from __future__ import annotations

import sys

from rich.console import Console
from rich.table import Table

from bench import doors, memory, speed, startup
from bench.rows import RESULTS, Row, write_results


def main() -> None:
    """Measure one group after the other: nothing else may use the cores meanwhile."""
    rows = speed.rows()
    rows += doors.rows(speed.HOME / "best")
    rows += startup.rows()
    rows += memory.rows()
    write_results(rows)
    _show(rows)
    print(RESULTS)
    sys.exit(0 if all(row.ok for row in rows) else 1)


def _show(rows: list[Row]) -> None:
    table = Table(box=None, pad_edge=False)
    for column in ("", "what", "value", "goal", "note"):
        table.add_column(column)
    for row in rows:
        mark = "[green]ok[/]" if row.ok else "[red]missed[/]"
        table.add_row(mark, row.name, f"{row.value:.4g} {row.unit}", row.goal, row.note)
    Console(width=None if sys.stdout.isatty() else 180).print(table)


if __name__ == "__main__":
    main()
