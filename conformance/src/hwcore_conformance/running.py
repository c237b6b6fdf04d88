"""One run: what was asked for, made sure of, checked, and put into a report."""

from __future__ import annotations

import datetime
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from hwcore.contract import Capability, UserError
from hwcore.host import PluginRecord, allowed_by_environment, discover
from hwcore_conformance.baseline import Entry, entry_for, read_baseline
from hwcore_conformance.clause import Clause
from hwcore_conformance.installed import Wheel, compared, refuse_unfit
from hwcore_conformance.kept_models import claim
from hwcore_conformance.models import EVERY, QUICK
from hwcore_conformance.report import Report, report_of, rows_of_record
from hwcore_conformance.required import Filters, checked
from hwcore_conformance.states import Record, State
from hwcore_conformance.suite import Notify, Suite, declared, order, record_of
from hwcore_conformance.text import clean, near, some
from hwcore_conformance.verdict import judge


@dataclass(frozen=True, slots=True)
class Request:
    """What a run is asked for."""

    plugin: str
    seed: int
    filters: Filters = field(default_factory=Filters)
    models: Path | None = None
    """Where the models of this seed are kept."""
    baseline: Path | None = None
    wheel: Path | None = None
    certified: bool = False


@dataclass(frozen=True, slots=True)
class Prepared:
    """A request that can be answered."""

    request: Request
    record: PluginRecord
    clauses: tuple[Clause, ...]
    """All of the contract."""
    entries: tuple[Entry, ...]
    wheel: Wheel | None

    @property
    def checks(self) -> tuple[tuple[Clause, Capability | None], ...]:
        """What will be checked, in order."""
        chosen = checked(self.request.filters.chosen(self.clauses))
        return tuple(order(self.record, chosen))


def prepare(request: Request, clauses: Sequence[Clause]) -> Prepared:
    """Look at all that was said before anything is done. Raises `UserError`."""
    if request.certified:
        _refuse_less(request)
    _refuse_unknown(request.filters, clauses)
    record = discover(allow=allowed_by_environment()).record(request.plugin)
    if request.certified:
        refuse_unfit(record)
    entries: tuple[Entry, ...] = ()
    if request.baseline is not None:
        entries = read_baseline(
            request.baseline,
            plugin=record.name,
            clauses=clauses,
            rows=rows_of_record(record),
            today=datetime.datetime.now(datetime.UTC).date(),
        )
    wheel = compared(request.wheel, record) if request.wheel is not None else None
    if request.models is not None:  # last: it writes
        claim(request.models, request.seed)
    return Prepared(request, record, tuple(clauses), entries, wheel)


def conduct(prepared: Prepared, workspace: Path, notify: Notify) -> Report:
    """Make the checks, and give the report. ``workspace`` is an empty folder."""
    request, filters = prepared.request, prepared.request.filters
    started, began = datetime.datetime.now(datetime.UTC), time.monotonic()
    with Suite(
        request.plugin,
        workspace,
        seed=request.seed,
        families=filters.families or (QUICK if filters.quick else ()),
        models=request.models,
        compiled_anew=request.certified,
    ) as suite:
        records = tuple(_records(prepared, suite, notify))
    rows = rows_of_record(prepared.record)
    outcome = judge(checked(prepared.clauses), rows, filters, prepared.entries, records)
    return report_of(
        prepared.record,
        clauses=prepared.clauses,
        wheel=prepared.wheel,
        seed=request.seed,
        started=started.replace(microsecond=0),
        seconds=time.monotonic() - began,
        filters=filters,
        entries=prepared.entries,
        records=records,
        outcome=outcome,
        certified=request.certified,
    )


def _records(prepared: Prepared, suite: Suite, notify: Notify) -> Iterator[Record]:
    for clause, row in prepared.checks:
        capability = row.id if row is not None else ""
        entry = entry_for(prepared.entries, clause.id, capability)
        notify(clause, capability, None)
        if entry is not None and entry.state == "disabled":
            record = record_of(clause, row, State.DISABLED, message=entry.reason)
        elif not declared(clause, row, suite.record):
            record = record_of(clause, None, State.NOT_DECLARED)
        else:
            record = suite.check(clause, row)
        notify(clause, capability, record.state)
        yield record


def _refuse_less(request: Request) -> None:
    """Raise `UserError` for whatever would make a certified run less than whole."""
    given = str(request.filters) or ("--baseline" if request.baseline is not None else "")
    if given:
        raise UserError(
            f"--certified is for a whole run, and {given} makes it less",
            hint="Leave out one of them.",
        )
    if request.models is not None:
        raise UserError(
            "--certified makes its own models, and --models brings some",
            hint="Leave out one of them.",
        )


def _refuse_unknown(filters: Filters, clauses: Sequence[Clause]) -> None:
    """Raise `UserError` for a filter that leaves nothing or means nothing."""
    ids = [clause.id for clause in checked(clauses)]
    for begin in filters.clauses:
        if not any(id.startswith(begin) for id in ids):
            raise UserError(
                f"no clause begins with {clean(begin)!r}{near(begin, ids)}",
                hint="`hwcore conformance list` lists them.",
            )
    families = sorted({model.family for model in EVERY})
    for name in filters.families:
        if name not in families:
            raise UserError(
                f"there are no models of the architecture {clean(name)!r}{near(name, families)}",
                hint=f"There are: {some(families, 20)}.",
            )
    if not checked(filters.chosen(clauses)):
        raise UserError(f"{filters} leaves no clause to check", hint="Leave one of them out.")
