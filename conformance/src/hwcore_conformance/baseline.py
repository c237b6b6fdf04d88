"""The baseline file: what a vendor knows to fail, and what is not to be checked for now.

A known failure is still checked. Listed and failing, it is told and tolerated; listed and
passing, it is a failure, until it is taken off the list. A disabled check is not run. Either
needs a reason and a date, and makes the run partial.
"""

from __future__ import annotations

import datetime
import re
import tomllib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BeforeValidator, StringConstraints, ValidationError
from pydantic_core import PydanticCustomError

from hwcore.contract import UserError, Value
from hwcore_conformance.clause import Clause
from hwcore_conformance.required import Row
from hwcore_conformance.states import Said
from hwcore_conformance.text import clean, named, near, says_something

Expected = Literal["known-failure", "disabled"]

LARGEST: Final = 1 << 20
"""Bytes of a file that is read."""


def _number(value: Any) -> Any:
    """The value, unless it is one that only equals a whole number: ``true``, ``1.0``."""
    if type(value) is not int:
        raise PydanticCustomError("int_type", "it is no whole number")
    return value


def _day(value: Any) -> Any:
    """The value, if it is a date, as TOML has one, or is written like one, as JSON has it."""
    written = isinstance(value, str) and re.fullmatch(r"\d{4}-\d\d-\d\d", value)
    if not written and type(value) is not datetime.date:
        raise PydanticCustomError("date_type", "it is no date, such as 2027-01-31")
    return value


def _reason(text: str) -> str:
    if not says_something(text):
        raise PydanticCustomError("string_too_short", "it says nothing")
    return clean(text)


class Entry(Value):
    """One line of a baseline."""

    clause: Said
    """Number of the clause."""
    capability: Said = ""
    """Id of the row; empty for a clause about the plugin, or for every row."""
    state: Expected
    """``known-failure``: it is checked, and has to fail. ``disabled``: it is not checked."""
    reason: Annotated[str, StringConstraints(strip_whitespace=True), AfterValidator(_reason)]
    """Why, for whoever reads the report."""
    expires: Annotated[datetime.date, BeforeValidator(_day)]
    """The last day that the entry holds on."""

    def covers(self, clause: str, capability: str) -> bool:
        """True for the checks that it is about."""
        return self.clause == clause and self.capability in ("", capability)


class Baseline(Value):
    """A baseline file, in TOML."""

    schema_version: Annotated[Literal[1], BeforeValidator(_number)]
    plugin: Said
    """Name of the plugin that it is about."""
    entries: tuple[Entry, ...] = ()


def entry_for(entries: Iterable[Entry], clause: str, capability: str) -> Entry | None:
    """The entry about a check, if there is one."""
    return next((entry for entry in entries if entry.covers(clause, capability)), None)


def read_baseline(
    path: Path,
    *,
    plugin: str,
    clauses: Sequence[Clause],
    rows: Sequence[Row],
    today: datetime.date,
) -> tuple[Entry, ...]:
    """The entries of a file, each checked. Raises `UserError`."""
    content = _content(path)
    try:
        baseline = Baseline.model_validate(content)
    except ValidationError as error:
        raise _refused(path, content, error) from error
    if baseline.plugin != plugin:
        raise UserError(
            f"{path} is about the plugin {clean(baseline.plugin)!r}, and this is {plugin!r}",
            hint="Give each plugin a baseline of its own.",
        )
    before: list[Entry] = []
    for entry in baseline.entries:
        try:
            _check(entry, before, clauses, rows, today)
        except UserError as error:
            raise UserError(f"{path}: {error.message}", hint=error.hint) from error
        before.append(entry)
    return baseline.entries


def _content(path: Path) -> dict[str, Any]:
    """What a TOML file holds. Raises `UserError`."""
    if path.exists() and not path.is_file():  # opening a pipe would wait for a writer
        raise UserError(f"{path} is no file", hint="Name a TOML file with --baseline.")
    try:
        with path.open("rb") as file:
            read = file.read(LARGEST + 1)
    except OSError as error:
        raise UserError(
            f"{path} cannot be read: {error.strerror}", hint="Check how the path is spelt."
        ) from error
    if len(read) > LARGEST:
        raise UserError(
            f"{path} is too large for a baseline", hint="Name a TOML file with --baseline."
        )
    try:
        return tomllib.loads(read.decode())
    except (ValueError, RecursionError) as error:  # of a number with too many digits, too
        raise UserError(
            f"{path} is not TOML: {clean(str(error))}", hint="docs/conformance.md shows one."
        ) from error


def _check(
    entry: Entry,
    before: Iterable[Entry],
    clauses: Sequence[Clause],
    rows: Sequence[Row],
    today: datetime.date,
) -> None:
    """Raise `UserError` for an entry that means nothing, is over, or says something twice."""
    name = named(clean(entry.clause), clean(entry.capability))
    clause = next((clause for clause in clauses if clause.id == entry.clause), None)
    if clause is None:
        raise UserError(
            f"there is no clause {clean(entry.clause)!r}"
            f"{near(entry.clause, [clause.id for clause in clauses])}",
            hint="`hwcore conformance list` lists them.",
        )
    if clause.check is None:
        raise UserError(f"{name} is not tested by this suite", hint="Remove the entry.")
    if entry.capability:
        row = next((row for row in rows if row.id == entry.capability), None)
        if row is None:
            ids = [row.id for row in rows]
            raise UserError(
                f"{entry.clause}: the plugin has no capability {clean(entry.capability)!r}"
                f"{near(entry.capability, ids)}",
                hint=f"It has: {', '.join(sorted(ids)) or 'none'}.",
            )
        if not clause.covers(row.hook):
            about = "the plugin" if clause.once else clause.scope
            raise UserError(
                f"{entry.clause} is about {about}, and not about {row.id} ({row.hook})",
                hint="Leave `capability` out, or name another clause.",
            )
    if entry.expires < today:
        raise UserError(
            f"the entry {name} expired on {entry.expires}",
            hint="Mend what it is about, or decide again until when it may fail.",
        )
    for other in before:
        if other.clause == entry.clause and (
            other.capability == entry.capability or not (other.capability and entry.capability)
        ):
            raise UserError(
                f"{name} is listed twice",
                hint="An entry without `capability` is about every capability.",
            )


def _refused(path: Path, content: object, error: ValidationError) -> UserError:
    """The first problem of a file, with the entry that has it."""
    problems = error.errors(include_url=False, include_input=False)
    # A key that is misspelt is missing, too; that it is misspelt says more.
    problem = min(problems, key=lambda found: found["type"] != "extra_forbidden")
    where = [str(part) for part in problem["loc"]]
    key = where[-1] if where else ""
    if key == "reason" and problem["type"] in ("missing", "string_too_short"):
        message, hint = "an entry has no reason", "Say why it is there: the report shows it."
    elif key == "expires" and problem["type"] == "missing":
        message, hint = "an entry has no date", "Say until when it holds: expires = 2027-01-31."
    elif key == "schema_version":
        message, hint = "it is of another version", "This suite knows schema_version = 1."
    elif problem["type"] == "extra_forbidden":
        known = Entry.model_fields if where[0] == "entries" else Baseline.model_fields
        message = f"there is no key {clean(key)!r}{near(key, known)}"
        hint = f"There are: {', '.join(known)}."
    else:
        message = f"{'.'.join(where)}: {problem['msg'][:1].lower()}{clean(problem['msg'][1:])}"
        hint = "docs/conformance.md shows what a baseline holds."
    if len(where) > 1 and where[0] == "entries" and isinstance(content, dict):
        listed = content.get("entries")
        listed = listed[int(where[1])] if isinstance(listed, list) else None
        if isinstance(listed, dict) and isinstance(listed.get("clause"), str):
            message = f"{clean(listed['clause'])}: {message}"
    return UserError(f"{path}: {message}", hint=hint)
