"""The contract as a page, generated from the clauses."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator, Mapping, Sequence
from importlib.resources import files
from itertools import groupby

from hwcore_conformance.clause import Clause

_ABOUT = {
    "plugin": "the plugin",
    "devices": "a plugin that declares devices",
    "sensitivity": "a plugin that declares sensitivity",
    "work": "every row that makes an artifact",
    "row": "every row",
}

_KILLERS = files("hwcore_conformance").joinpath("killers.json")

Killers = Mapping[str, Sequence[str]]
"""By clause: the plugins in ``tests/conformance/bad_plugins`` that break it and are caught."""


def killers() -> dict[str, list[str]]:
    """What this suite was tested with, by clause."""
    found: dict[str, list[str]] = json.loads(_KILLERS.read_text("utf-8"))
    return found


def dotted(clause: Clause) -> str:
    """Where the check of a clause is; empty where it has none."""
    check = clause.check
    return f"{check.__module__}.{check.__qualname__}" if check is not None else ""


def as_contract(clauses: Sequence[Clause], killers: Killers) -> str:
    """The page, in Markdown."""
    return "\n".join(_lines(clauses, killers)) + "\n"


def _lines(clauses: Sequence[Clause], killers: Killers) -> Iterator[str]:
    untested = [clause.id for clause in clauses if clause.check is None]
    yield from (
        "# The plugin contract",
        "",
        "What a plugin of hwcore has to do, in numbered clauses. This page is generated from the "
        "[conformance suite](conformance.md), which checks them.",
        "",
        "A MUST that is broken fails its level. A SHOULD or a MAY is told, and fails nothing. "
        "*Caught in* names the plugins in `tests/conformance/bad_plugins` that break a clause on "
        "purpose: the suite is tested to find each of them, by that clause.",
        "",
        f"{len(clauses)} clauses. Without a check: {', '.join(untested) or 'none'}.",
    )
    for topic, group in groupby(clauses, key=lambda clause: clause.topic):
        yield from ("", f"## {topic}")
        for clause in group:
            yield from ("", *_clause(clause, killers.get(clause.id, ())))


def _clause(clause: Clause, killers: Sequence[str]) -> Iterator[str]:
    about = _ABOUT.get(clause.scope, f"every {clause.scope} row")
    yield from (f"### {clause.id}", "", clause.text, "")
    slow = ", not in a quick run" if clause.slow else ""
    yield f"- {clause.level}, since {clause.since}, about {about}{slow}"
    if clause.check is not None:
        summary = (inspect.getdoc(clause.check) or "").split("\n\n")[0]
        yield f"- Check: {' '.join(summary.split())} (`{dotted(clause)}`)"
    else:
        yield "- Check: none yet"
    yield f"- To mend: {clause.mend}"
    yield f"- Caught in: {', '.join(f'`{name}`' for name in killers) or 'nothing'}"
