"""All clauses of the contract, a module for each topic."""

from __future__ import annotations

from hwcore_conformance.clause import Clause
from hwcore_conformance.clauses import manifest, run

ALL: tuple[Clause, ...] = (*manifest.CLAUSES, *run.CLAUSES)
"""In the order of the contract."""
