"""What a full run of the suite has to hold a plugin to, and what a filtered one does."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

from hwcore.contract import HOOKS, Value, WorkHook
from hwcore.contract.base import Name
from hwcore_conformance.clause import Clause
from hwcore_conformance.states import Said

Family = Literal["core", "export", "quantize", "sparsify", "compile", "run"]
FAMILIES: tuple[Family, ...] = ("core", *HOOKS)
"""The levels of conformance. Clauses about devices are of the core: who declares devices speaks
for the whole machine, and there is no row of a hook to hang them on."""


class Row(Value):
    """A capability of the plugin."""

    id: Name
    hook: WorkHook
    summary: Said = ""
    """What it does, in the manifest's words."""


class Required(Value):
    """One check: a clause, and the capability it is about (empty: the plugin)."""

    clause: str
    capability: str = ""


class Filters(Value):
    """What a run was narrowed to. Anything here makes it partial."""

    quick: bool = False
    """Fewer models, and no slow clause."""
    clauses: tuple[str, ...] = ()
    """Only clauses whose number begins like one of these."""
    families: tuple[str, ...] = ()
    """Only models of these architectures."""

    @property
    def any(self) -> bool:
        """True when something is left out."""
        return self != Filters()

    def chosen(self, clauses: Iterable[Clause]) -> tuple[Clause, ...]:
        """The clauses that are left."""
        return tuple(
            clause
            for clause in clauses
            if not (self.quick and clause.slow) and clause.id.startswith(self.clauses or ("",))
        )

    def __str__(self) -> str:
        parts = ["--quick"] if self.quick else []
        parts += [f"--clause {begin}" for begin in self.clauses]
        parts += [f"--family {name}" for name in self.families]
        return " ".join(parts)


def checked(clauses: Iterable[Clause]) -> tuple[Clause, ...]:
    """Those that have a check; the others are in the contract, and no run asks about them."""
    return tuple(clause for clause in clauses if clause.check is not None)


def required(clauses: Sequence[Clause], rows: Iterable[Row]) -> tuple[Required, ...]:
    """Every check for a plugin with these rows.

    A clause that no row declares a need for is required once, with no capability: its record
    says ``NOT_DECLARED``.
    """
    declared = tuple(rows)
    found = []
    for clause in checked(clauses):
        covered = [row.id for row in declared if clause.covers(row.hook)]
        if clause.once or not covered:
            found.append(Required(clause=clause.id))
        found += [Required(clause=clause.id, capability=id) for id in covered]
    return tuple(found)


def family(clause: Clause, hook: str | None) -> Family:
    """The level of conformance that a check counts for; ``hook`` is the row's, if it has one."""
    of = hook if hook is not None else clause.scope
    return next((name for name in FAMILIES if name == of), "core")
