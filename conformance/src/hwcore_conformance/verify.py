"""Hold a report against itself and this suite: does it say what its records say?

This finds what was edited, left out or made by another suite. It cannot find a report that was
made up whole, digest and all: who made it is for a signature to say.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from hwcore.artifacts import sha256_file
from hwcore.contract import HwcoreError, UserError
from hwcore_conformance.baseline import entry_for
from hwcore_conformance.clause import Clause
from hwcore_conformance.folder import REPORT
from hwcore_conformance.installed import named_in, opened, rows_of
from hwcore_conformance.report import SCHEMA_VERSION, SUITE, Report, digest_of, suite_of
from hwcore_conformance.required import Required, checked, family, required
from hwcore_conformance.states import Record, State
from hwcore_conformance.text import clean, named, some
from hwcore_conformance.verdict import Verdict, judge

LARGEST = 64 << 20
"""Bytes of a report that is read."""

_MADE_ANEW = "A report cannot be mended by hand: run the suite again."


class Rejected(HwcoreError):
    """The report is not one to believe."""

    exit_code = 3


def verify(path: Path, *, clauses: Sequence[Clause], wheel: Path | None = None) -> Report:
    """The report in a file or a folder, if it agrees with itself, this suite and the wheel.

    Raises `UserError` for a file that is no report, `Rejected` for one that is not to be believed.
    """
    path = path / REPORT if path.is_dir() else path
    content = _read(path)
    report = _parsed(path, content)
    here = suite_of(clauses)
    if report.suite.version != here.version:
        raise Rejected(
            f"{path} was made by {SUITE} {clean(report.suite.version)}, and this is {here.version}",
            hint=f"Verify it with the suite that made it: pip install {SUITE}"
            f"=={clean(report.suite.version)}.",
        )
    if report.suite.clauses_sha256 != here.clauses_sha256:
        raise Rejected(
            f"{path} was made by {SUITE} {here.version} with other clauses than this one has",
            hint="Verify it with the very suite that made it.",
        )
    _complete(path, report, clauses)
    _consistent(path, report, clauses)
    if wheel is not None:
        _of_wheel(path, report, wheel)
    return report


def _read(path: Path) -> dict[str, Any]:
    """The JSON object in a file. Raises `UserError`."""
    hint = "Name the report.json that `hwcore conformance run --out` wrote."
    if not path.is_file():
        raise UserError(f"there is no file {path}", hint=hint)
    try:
        if path.stat().st_size > LARGEST:
            raise UserError(f"{path} is too large for a report", hint=hint)
        content = json.loads(path.read_bytes())
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}", hint=hint) from error
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path} is not JSON", hint=hint) from error
    if not isinstance(content, dict) or "schema_version" not in content:
        raise UserError(f"{path} is no report", hint=hint)
    return content


def _parsed(path: Path, content: dict[str, Any]) -> Report:
    version = content["schema_version"]
    if type(version) is not int or version != SCHEMA_VERSION:
        raise Rejected(
            f"{path} has schema version {clean(str(version))}, and this suite knows "
            f"{SCHEMA_VERSION}",
            hint="Verify it with the suite that made it.",
        )
    try:
        digest = digest_of(content)
        report = Report.model_validate(content)
    except ValidationError as error:
        problem = error.errors(include_url=False, include_input=False)[0]
        where = clean(".".join(map(str, problem["loc"])))
        raise Rejected(
            f"{path} is not as a report is: {where}: {clean(problem['msg'])}", hint=_MADE_ANEW
        ) from error
    except (ValueError, RecursionError) as error:
        raise Rejected(f"{path} is not as a report is", hint=_MADE_ANEW) from error
    if digest != report.digest:
        raise Rejected(f"{path} was edited: its digest does not match", hint=_MADE_ANEW)
    return report


def _complete(path: Path, report: Report, clauses: Sequence[Clause]) -> None:
    """Exactly the checks that have to be there are there, once each."""

    def refuse(names: Iterable[tuple[str, str]], sentence: str) -> None:
        if found := [named(clean(clause), clean(id)) for clause, id in names]:
            raise Rejected(f"{path}: {sentence.format(some(found))}", hint=_MADE_ANEW)

    known = {clause.id for clause in clauses}
    refuse(((r.clause, "") for r in report.records if r.clause not in known), "unknown clauses: {}")
    keys = [(record.clause, record.capability) for record in report.records]
    refuse((key for key, count in Counter(keys).items() if count > 1), "recorded twice: {}")
    refuse(
        ((id, "") for id, n in Counter(r.id for r in report.capabilities).items() if n > 1),
        "capabilities that are there twice: {}",
    )
    expected = required(report.filters.chosen(clauses), report.capabilities)
    wanted = [(need.clause, need.capability) for need in expected]
    refuse((key for key in wanted if key not in set(keys)), "records are missing: {}")
    refuse((key for key in keys if key not in set(wanted)), "records that no check asks for: {}")
    full = required(clauses, report.capabilities)
    if set(report.required) != set(full) or len(report.required) != len(full):
        raise Rejected(f"{path}: its list of required checks is not this suite's", hint=_MADE_ANEW)
    executed = [Required(clause=clause, capability=id) for clause, id in keys]
    if sorted(map(str, report.executed)) != sorted(map(str, executed)):
        raise Rejected(
            f"{path}: its list of executed checks is not that of its records", hint=_MADE_ANEW
        )


def _consistent(path: Path, report: Report, clauses: Sequence[Clause]) -> None:
    """The records are as the clauses have them, and verdict and levels as the records do."""
    of = {clause.id: clause for clause in clauses}
    hooks = {row.id: row.hook for row in report.capabilities}
    for record in report.records:
        if problem := _problem(record, of[record.clause], hooks.get(record.capability), report):
            name = named(record.clause, record.capability)
            raise Rejected(f"{path}: {name} {problem}", hint=_MADE_ANEW)
    outcome = judge(
        checked(clauses), report.capabilities, report.filters, report.baseline, report.records
    )
    if outcome.verdict != report.verdict:
        raise Rejected(
            f"{path} says {report.verdict}, and its records say {outcome.verdict}",
            hint=_MADE_ANEW,
        )
    if outcome.levels != report.levels or outcome.because != report.because:
        raise Rejected(f"{path}: its levels are not what its records say", hint=_MADE_ANEW)
    plugin = report.plugin
    if report.certified and (
        report.filters.any
        or report.baseline
        or report.verdict is not Verdict.PASS
        or plugin.editable
        or plugin.record_sha256 is None
    ):
        raise Rejected(
            f"{path} claims to be certified, and is not of a whole run on an installed wheel",
            hint="Run the suite with --certified.",
        )


def _problem(record: Record, clause: Clause, hook: str | None, report: Report) -> str:
    """What cannot be true of a record."""
    if record.level != clause.level:
        return f"is recorded as {record.level}, and is a {clause.level}"
    if record.family != (wanted := family(clause, hook)):
        return f"is recorded for level {clean(record.family)}, and counts for {wanted}"
    entry = entry_for(report.baseline, record.clause, record.capability)
    disabled = entry is not None and entry.state == "disabled"
    if disabled != (record.state is State.DISABLED):
        return f"is {record.state}, and the baseline says otherwise"
    undeclared = hook is None and not clause.once
    if undeclared and record.state is not State.NOT_DECLARED and not disabled:
        return f"is {record.state}, and no capability is there for it"
    if record.state is State.NOT_DECLARED and not (undeclared or clause.rowless):
        return "is NOT_DECLARED, and what it is about is declared"
    return ""


def _of_wheel(path: Path, report: Report, wheel: Path) -> None:
    """The report is about this wheel. Raises `Rejected`, and `UserError` for what is no wheel."""
    with opened(wheel):
        pass  # it is one
    plugin = report.plugin
    if plugin.wheel is None:
        raise Rejected(
            f"{path} does not say which wheel it is about",
            hint="Run the suite with --wheel.",
        )
    if sha256_file(wheel) != plugin.wheel.sha256 or wheel.name != plugin.wheel.name:
        raise Rejected(
            f"{path} is about another wheel: {clean(plugin.wheel.name)}, "
            f"sha256 {clean(plugin.wheel.sha256)}",
            hint="Run the suite on this wheel, or name that one.",
        )
    said = named_in(wheel)
    claims = {
        "the distribution": (plugin.distribution, {said.distribution}),
        "version": (plugin.version, {said.version}),
        "the plugin": (plugin.name, set(said.plugins)),
    }
    for what, (claimed, there) in claims.items():
        if claimed not in map(clean, there):
            raise Rejected(
                f"{path} is about {what} {clean(claimed)}, and {wheel.name} has "
                f"{some(sorted(map(clean, there))) or 'none'}",
                hint=_MADE_ANEW,
            )
    rows = rows_of(wheel)
    if rows is not None and rows != report.capabilities:
        raise Rejected(
            f"{path} has other capabilities than the manifest in {wheel.name}", hint=_MADE_ANEW
        )
