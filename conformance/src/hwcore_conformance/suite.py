"""Run clauses on a plugin: every check once, and whatever it does becomes a record."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from hwcore.contract import Capability, HwcoreError, PluginError
from hwcore.host import missing_requirements
from hwcore_conformance.clause import Broken, Clause, NotApplicable, Untestable
from hwcore_conformance.clauses import ALL
from hwcore_conformance.states import Record, State
from hwcore_conformance.subject import Subject

Notify = Callable[[Clause, str, State | None], None]
"""Told of a clause and a capability's id before its check, with its state after it."""


def run(
    subject: Subject,
    clauses: Sequence[Clause] = ALL,
    notify: Notify | None = None,
) -> Iterator[Record]:
    """Check the clauses: those about the plugin, then capability by capability."""
    for clause in clauses:
        if clause.scope == "plugin":
            yield _checked(clause, subject, None, notify)
        elif clause.scope == "devices":
            declared = subject.record.manifest is not None and subject.record.manifest.devices
            yield (
                _checked(clause, subject, None, notify)
                if declared
                else _record(clause, None, State.NOT_DECLARED)
            )
    work = [clause for clause in clauses if clause.scope not in ("plugin", "devices")]
    for row in subject.rows:
        for clause in work:
            if clause.scope == row.hook:
                yield _checked(clause, subject, row, notify)
        subject.forget_models()
    hooks = {row.hook for row in subject.rows}
    for clause in work:
        if clause.scope not in hooks:
            yield _record(clause, None, State.NOT_DECLARED)


def _checked(
    clause: Clause, subject: Subject, row: Capability | None, notify: Notify | None
) -> Record:
    capability = row.id if row is not None else ""
    if notify is not None:
        notify(clause, capability, None)
    began = time.monotonic()
    outcome = _outcome(clause, subject, row)
    record = _record(clause, row, **outcome, seconds=time.monotonic() - began)
    if notify is not None:
        notify(clause, capability, record.state)
    return record


def _outcome(clause: Clause, subject: Subject, row: Capability | None) -> dict[str, Any]:
    if row is not None:
        needs = [need.mismatch(subject.target) for need in row.targets]
        if None not in needs:
            return {"state": State.NOT_RUN_ON_HARDWARE, "message": needs[0]}
        try:
            missing = missing_requirements(subject.record, row.extra) if row.extra else []
        except PluginError as error:
            return {"state": State.UNTESTABLE, "message": error.reason}
        if missing:
            return {
                "state": State.UNTESTABLE,
                "message": f"not installed: {', '.join(missing)}",
                "hint": f'pip install "{subject.record.distribution}[{row.extra}]"',
            }
    check: Callable[..., Any] = clause.check
    try:
        measured = check(subject) if row is None else check(subject, row)
    except Broken as broken:
        return {
            "state": State.FAIL,
            "message": broken.message,
            "hint": broken.hint or clause.mend,
        }
    except Untestable as reason:
        return {"state": State.UNTESTABLE, "message": str(reason)}
    except HwcoreError as error:  # a check that is about errors looks at them itself
        return {"state": State.UNTESTABLE, "message": str(error), "hint": error.hint or ""}
    except NotApplicable as reason:
        return {"state": State.NOT_APPLICABLE, "message": str(reason)}
    except Exception:  # whatever it is, it is not a verdict on the plugin
        return {
            "state": State.ERROR,
            "message": traceback.format_exc(limit=-6),
            "hint": "This is a bug of the suite: please report it.",
        }
    return {"state": State.PASS, "measured": measured or {}}


def _record(clause: Clause, row: Capability | None, state: State, **fields: Any) -> Record:
    return Record(
        clause=clause.id,
        capability=row.id if row is not None else "",
        level=clause.level,
        family="core" if clause.scope in ("plugin", "devices") else clause.scope,
        state=state,
        **fields,
    )
