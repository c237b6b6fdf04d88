"""``make bench``: measure every promise, write the results, fail if one is not kept."""

from __future__ import annotations

import sys

from bench import conformance, doors, memory, speed, startup
from bench.rows import RESULTS, show, write_results


def main() -> None:
    """Measure one group after the other: nothing else may use the cores meanwhile."""
    rows = speed.rows()
    rows += doors.rows(speed.HOME / "best")
    rows += startup.rows()
    rows += memory.rows()
    rows += conformance.rows()
    write_results(rows)
    show(rows)
    print(RESULTS)
    sys.exit(0 if all(row.ok for row in rows) else 1)


if __name__ == "__main__":
    main()
