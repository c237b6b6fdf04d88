"""Runs of the conformance suite that never were: a small contract, a plugin, records at will."""

from __future__ import annotations

import datetime
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hwcore.contract import Target
from hwcore_conformance.baseline import Entry, Expected, entry_for
from hwcore_conformance.clause import Clause, Scope
from hwcore_conformance.installed import Wheel
from hwcore_conformance.report import Machine, Plugin, Report, digest_of, suite_of
from hwcore_conformance.required import Filters, Required, Row, checked, family, required
from hwcore_conformance.states import BAD, Record, State
from hwcore_conformance.text import named
from hwcore_conformance.verdict import judge

DAY = datetime.date(2026, 6, 1)


def check(*_: object) -> None:
    """What a check says of itself."""


def _clause(
    id: str, level: str, scope: Scope, *, slow: bool = False, tested: bool = True
) -> Clause:
    text = f"Whatever {id} is about {level} be so."
    return Clause(id, text, scope, check if tested else None, f"Mend {id}.", slow=slow)


CLAUSES = (
    _clause("MAN-001", "MUST", "plugin"),
    _clause("MAN-002", "SHOULD", "plugin"),
    _clause("DEV-001", "MUST", "devices"),
    _clause("EXP-001", "MUST", "export"),
    _clause("QNT-001", "MUST", "quantize"),
    _clause("RUN-001", "MUST", "run"),
    _clause("RUN-002", "MUST", "run", slow=True),
    _clause("RUN-003", "MAY", "run"),
    _clause("ART-001", "MUST", "work"),
    _clause("SAF-001", "MUST", "plugin", tested=False),
)
ROWS = (
    Row(id="npz", hook="export", summary="The graph, as `.npz` files."),
    Row(id="numpy", hook="run", summary="The graph, computed by numpy."),
    Row(id="gpu", hook="run", summary="The graph, computed on a GPU."),
)
WHEEL = Wheel(name="acme_hwcore-1.0.0-py3-none-any.whl", sha256="ab" * 32)


def entry(clause: str, capability: str = "", state: Expected = "known-failure") -> Entry:
    return Entry(
        clause=clause, capability=capability, state=state, reason="It is being mended.", expires=DAY
    )


def records(
    states: Mapping[str, State] | None = None,
    *,
    filters: Filters | None = None,
    entries: Sequence[Entry] = (),
) -> tuple[Record, ...]:
    """A record of each check: passed, if ``states`` has nothing else for its name."""
    of = {clause.id: clause for clause in CLAUSES}
    hooks = {row.id: row.hook for row in ROWS}
    found = []
    for need in required((filters or Filters()).chosen(CLAUSES), ROWS):
        clause, hook = of[need.clause], hooks.get(need.capability)
        known = entry_for(entries, need.clause, need.capability)
        state = State.PASS
        if hook is None and clause.scope not in ("plugin", "devices"):
            state = State.NOT_DECLARED
        if known is not None and known.state == "disabled":
            state = State.DISABLED
        state = (states or {}).get(named(need.clause, need.capability), state)
        bad = state in BAD
        found.append(
            Record(
                clause=clause.id,
                capability=need.capability,
                level=clause.level,
                family=family(clause, hook),
                state=state,
                message=f"{clause.id} is not so" if bad else "",
                hint=clause.mend if bad else "",
                seconds=0.25,
                measured={"error": 0.5} if state is State.PASS else {},
            )
        )
    return tuple(found)


def report(
    states: Mapping[str, State] | None = None,
    *,
    filters: Filters | None = None,
    entries: Sequence[Entry] = (),
    **changes: Any,
) -> Report:
    """The report of a run with these states."""
    narrowed = filters or Filters()
    made = records(states, filters=narrowed, entries=entries)
    outcome = judge(checked(CLAUSES), ROWS, narrowed, entries, made)
    target = Target(kind="cpu", vendor="acme", features=("avx2",), cores=2)
    plain = Report(
        plugin=Plugin(
            name="acme",
            distribution="acme-hwcore",
            version="1.0.0",
            editable=False,
            wheel=WHEEL,
            record_sha256="cd" * 32,
        ),
        suite=suite_of(CLAUSES),
        machine=Machine(
            system="Linux 6", name="Acme 1", target=target, fingerprint=target.fingerprint
        ),
        python="3.11.9",
        libraries={"numpy": "2.2.6"},
        seed=7,
        started=datetime.datetime(2026, 5, 1, 12, tzinfo=datetime.UTC),
        seconds=12.5,
        filters=narrowed,
        baseline=tuple(entries),
        capabilities=ROWS,
        required=required(CLAUSES, ROWS),
        executed=tuple(Required(clause=r.clause, capability=r.capability) for r in made),
        records=made,
        levels=outcome.levels,
        verdict=outcome.verdict,
        because=outcome.because,
        certified=False,
    )
    return sealed(plain, **changes)


def sealed(report: Report, **changes: Any) -> Report:
    """A report with changes, and the digest that belongs to it then."""
    changed = report.model_copy(update=changes)
    return changed.model_copy(update={"digest": digest_of(json.loads(changed.model_dump_json()))})


def write(path: Path, report: Report) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(report.model_dump_json(indent=1), encoding="utf-8")
    return path
