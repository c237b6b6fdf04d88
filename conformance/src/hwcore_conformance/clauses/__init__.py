"""All clauses of the contract, a module for each topic."""

from __future__ import annotations

from hwcore_conformance.clause import Clause
from hwcore_conformance.clauses import (
    artifacts,
    compile,
    devices,
    errors,
    export,
    manifest,
    processes,
    quantize,
    run,
    safety,
    sensitivity,
    sparsify,
)

ALL: tuple[Clause, ...] = (
    *manifest.CLAUSES,
    *devices.CLAUSES,
    *export.CLAUSES,
    *quantize.CLAUSES,
    *sparsify.CLAUSES,
    *sensitivity.CLAUSES,
    *compile.CLAUSES,
    *run.CLAUSES,
    *artifacts.CLAUSES,
    *errors.CLAUSES,
    *processes.CLAUSES,
    *safety.CLAUSES,
)
"""In the order of the contract."""
