"""From records to levels and a verdict. A report is verified by doing this again.

For each check that the plugin has to stand, what came of it is its *fate*; the fates of a level
decide how that level stands, and the levels decide the verdict:

- ``fail``: a level is broken, or a known failure passes and has to come off the list;
- ``partial``: nothing is known to be broken, and not everything was checked: filters, a
  baseline, a disabled check, absent hardware, a level without one check that passed;
- ``pass``: every required check was made here, and every MUST of every declared level is kept.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import Enum, StrEnum, auto
from typing import NamedTuple

from hwcore_conformance.baseline import Entry, entry_for
from hwcore_conformance.clause import Clause
from hwcore_conformance.required import FAMILIES, Family, Filters, Required, Row, family, required
from hwcore_conformance.states import BAD, Record, State
from hwcore_conformance.text import many, named, some


class Verdict(StrEnum):
    """What a run says of a plugin, worst last."""

    PASS = "pass"  # noqa: S105 - no password
    PARTIAL = "partial"
    FAIL = "fail"


class Standing(StrEnum):
    """What a run says of one level, or of one capability."""

    KEPT = "kept"
    BROKEN = "broken"
    NOT_DECLARED = "not declared"
    NOT_RUN_ON_HARDWARE = "not run on hardware"
    PARTIAL = "partial"


class Fate(Enum):
    """What came of one required check, with its clause's level and the baseline in view."""

    KEPT = auto()
    BROKEN = auto()
    """A MUST that failed, and is not listed."""
    TOLD = auto()
    """A SHOULD or MAY that failed: it is told, and breaks nothing."""
    KNOWN = auto()
    """It failed, and is listed as a known failure."""
    STALE = auto()
    """It passed, and is listed as a known failure."""
    DISABLED = auto()
    ABSENT = auto()
    """The hardware is not here."""
    VOID = auto()
    """Not declared, or not applicable."""
    MISSING = auto()
    """It was not made."""


class Outcome(NamedTuple):
    """What a run comes to."""

    verdict: Verdict
    levels: dict[Family, Standing]
    because: tuple[str, ...]
    """Why it is not ``pass``, a sentence for each reason."""


class Judged(NamedTuple):
    """A required check with what came of it."""

    check: Required
    family: Family
    fate: Fate
    state: State | None
    """``None`` where it was not made."""


def fate(record: Record | None, entry: Entry | None) -> Fate:
    """What came of a check; ``record`` is ``None`` where it was not made."""
    if record is None:
        return Fate.MISSING
    known = entry is not None and entry.state == "known-failure"
    if record.state is State.PASS:
        return Fate.STALE if known else Fate.KEPT
    if record.state in BAD:
        if known:
            return Fate.KNOWN
        return Fate.BROKEN if record.level == "MUST" else Fate.TOLD
    if record.state is State.DISABLED:
        return Fate.DISABLED
    return Fate.ABSENT if record.state is State.NOT_RUN_ON_HARDWARE else Fate.VOID


def standing(fates: Iterable[Fate], *, whole: bool) -> Standing:
    """How a level stands; ``whole`` is false where the run was narrowed.

    Kept takes at least one check that passed: a level that nothing was found out about is not.
    """
    there = set(fates)
    if Fate.BROKEN in there:
        return Standing.BROKEN
    if Fate.ABSENT in there and there <= {Fate.ABSENT, Fate.VOID}:
        return Standing.NOT_RUN_ON_HARDWARE
    if whole and Fate.KEPT in there and there <= {Fate.KEPT, Fate.TOLD, Fate.VOID}:
        return Standing.KEPT
    return Standing.PARTIAL


def judged(
    clauses: Sequence[Clause],
    rows: Sequence[Row],
    entries: Sequence[Entry],
    records: Iterable[Record],
) -> list[Judged]:
    """Every required check with what came of it."""
    of = {clause.id: clause for clause in clauses}
    hooks = {row.id: row.hook for row in rows}
    made = {(record.clause, record.capability): record for record in records}
    found = []
    for need in required(clauses, rows):
        record = made.get((need.clause, need.capability))
        came = fate(record, entry_for(entries, need.clause, need.capability))
        level = family(of[need.clause], hooks.get(need.capability))
        found.append(Judged(need, level, came, record.state if record is not None else None))
    return found


def judge(
    clauses: Sequence[Clause],
    rows: Sequence[Row],
    filters: Filters,
    entries: Sequence[Entry],
    records: Iterable[Record],
) -> Outcome:
    """The levels and the verdict of a run."""
    checks = judged(clauses, rows, entries, records)
    declared = {"core", *(row.hook for row in rows)}
    levels = {
        level: standing(
            (check.fate for check in checks if check.family == level), whole=not filters.any
        )
        if level in declared
        else Standing.NOT_DECLARED
        for level in FAMILIES
    }
    fatal = [
        _broken([check for check in checks if check.fate is Fate.BROKEN]),
        _told(checks, Fate.STALE, "listed as known failures, and they pass, remove them: {}"),
    ]
    because = [
        *fatal,
        f"narrowed by {filters}" if filters.any else "",
        "" if rows else "it declares no capability",
        _told(checks, Fate.MISSING, f"of {len(checks)} checks these were not made: {{}}"),
        _told(checks, Fate.KNOWN, "known failures: {}"),
        _told(checks, Fate.DISABLED, "disabled: {}"),
        "there is a baseline" if entries else "",
        _told(checks, Fate.ABSENT, "not run on hardware: {}"),
        *(
            f"nothing passed at level {level}"
            for level, stands in levels.items()
            if stands is Standing.PARTIAL
            and not filters.any
            and not any(check.family == level and check.fate is Fate.KEPT for check in checks)
        ),
    ]
    told = tuple(filter(None, because))
    verdict = Verdict.FAIL if any(fatal) else Verdict.PARTIAL if told else Verdict.PASS
    return Outcome(verdict, levels, told)


def _broken(checks: Sequence[Judged]) -> str:
    """What fails comes by name; beside it, what could not be made is only counted."""
    names: dict[State | None, list[str]] = {state: [] for state in BAD}
    for check in checks:
        names[check.state].append(named(check.check.clause, check.check.capability))
    failed, lost = names[State.FAIL] + names[State.ERROR], names[State.UNTESTABLE]
    if not failed:
        return f"could not be made: {some(lost)}" if lost else ""
    rest = f"; and {many(len(lost), 'check')} that could not be made" if lost else ""
    return f"broken: {some(failed)}{rest}"


def _told(checks: Iterable[Judged], wanted: Fate, sentence: str) -> str:
    names = [named(c.check.clause, c.check.capability) for c in checks if c.fate is wanted]
    return sentence.format(some(names)) if names else ""
