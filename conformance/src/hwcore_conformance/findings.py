"""What of a report is not as it should be: the gravest first, and what says the same only once."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import NamedTuple

from hwcore_conformance.report import Report, fate_of
from hwcore_conformance.states import Record, State
from hwcore_conformance.text import named, some
from hwcore_conformance.verdict import Fate

_FATES = (Fate.BROKEN, Fate.STALE, Fate.KNOWN, Fate.DISABLED, Fate.TOLD, Fate.ABSENT)
"""The gravest first: a MUST before a SHOULD."""

_STATES = (State.FAIL, State.ERROR, State.UNTESTABLE)
"""The gravest first: what is broken before what is not known."""

_FOLDED = {
    State.UNTESTABLE: "could not be made",
    State.NOT_RUN_ON_HARDWARE: "could not be run on hardware",
}
"""States that one cause gives to many checks, and what is said of those together."""


class Finding(NamedTuple):
    """A check, or several that have one cause."""

    fate: Fate
    records: tuple[Record, ...]

    @property
    def first(self) -> Record:
        """The record that speaks for it."""
        return self.records[0]

    @property
    def folded(self) -> bool:
        """True where it is about several checks."""
        return len(self.records) > 1

    @property
    def together(self) -> str:
        """What is said of several checks that have one cause."""
        return _FOLDED[self.state]

    @property
    def capabilities(self) -> str:
        """Those that it is about, or the first few."""
        return some(list(dict.fromkeys(r.capability or "the plugin" for r in self.records)), 4)

    @property
    def title(self) -> str:
        """The check's name; of several: how many, of which capabilities, and what of them."""
        if not self.folded:
            return named(self.first.clause, self.first.capability)
        return f"{len(self.records)} checks of {self.capabilities} {self.together}"

    @property
    def state(self) -> State:
        """What came of it."""
        return self.first.state

    @property
    def hint(self) -> str:
        """How to mend it; nothing where that differs from check to check."""
        hints = {record.hint for record in self.records}
        return hints.pop() if len(hints) == 1 else ""


def findings(report: Report, among: Iterable[Record] | None = None) -> list[Finding]:
    """Everything that the verdict minds or tells, the gravest first; ``among`` some records."""
    groups: dict[Hashable, Finding] = {}
    for record in report.records if among is None else among:
        came = fate_of(report, record)
        if came not in _FATES:
            continue
        key: Hashable = (record.clause, record.capability)
        if record.state in _FOLDED and came is not Fate.KNOWN:
            key = (came, record.state, record.message)
        before = groups[key].records if key in groups else ()
        groups[key] = Finding(came, (*before, record))
    return sorted(groups.values(), key=_gravity)


def _gravity(finding: Finding) -> tuple[int, int]:
    state = finding.state
    worse = _STATES.index(state) if state in _STATES else len(_STATES)
    return _FATES.index(finding.fate), worse
