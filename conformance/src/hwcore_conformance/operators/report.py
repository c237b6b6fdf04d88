"""A profile for people: tables on a terminal, the same as Markdown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

from hwcore_conformance.operators.profile import (
    CaseResult,
    ChainSummary,
    Profile,
    Result,
    State,
    totals,
)

if TYPE_CHECKING:
    from rich.console import Console

BAD = (State.FAILED, State.RAISED, State.CRASHED, State.TIMED_OUT)
"""States whose cases are listed one by one: the plugin took them, and got them wrong."""


_SEVERAL = 5
"""Cases that share a reason for it to be worth a line of its own."""


class Row(NamedTuple):
    """One operator on one chain."""

    operator: str
    passed: int
    total: int
    others: str
    """The states of those that did not pass, with their numbers."""


def word(state: State) -> str:
    """A state as it is printed."""
    return state.value.replace("_", " ")


def counted(found: dict[State, int], *, but: Sequence[State] = ()) -> str:
    """Numbers of states, those that are 0 left out."""
    return ", ".join(f"{n} {word(state)}" for state, n in found.items() if n and state not in but)


def operators(profile: Profile, chain: ChainSummary) -> list[Row]:
    """A row for each operator, by domain and name."""
    cases = sorted(profile.cases, key=_operator)
    rows = []
    for name, group in groupby(cases, key=_operator):
        found = totals([case.results[chain.name] for case in group])
        others = counted(found, but=[State.PASSED])
        rows.append(Row(name, found[State.PASSED], sum(found.values()), others))
    return rows


def wrong(profile: Profile, chain: ChainSummary) -> Iterator[tuple[CaseResult, Result]]:
    """The cases that the plugin took and got wrong, state by state."""
    for state in BAD:
        for case in profile.cases:
            result = case.results[chain.name]
            if result.state is state:
                yield case, result


def refusals(profile: Profile, chain: ChainSummary) -> list[tuple[str, int]]:
    """Why cases are not supported: the reasons that several share, with their numbers."""
    found: Counter[str] = Counter()
    for case in profile.cases:
        result = case.results[chain.name]
        if result.state is State.UNSUPPORTED:
            found[result.reason.replace(case.name, "…")] += 1
    return [(reason, n) for reason, n in found.most_common() if n >= _SEVERAL]


def headline(profile: Profile) -> str:
    """What was asked of whom."""
    onnx = f"onnx {profile.versions['onnx']} (opset {profile.versions['opset']})"
    return (
        f"{profile.plugin} {profile.plugin_version}: {len(profile.cases)} node tests of {onnx}, "
        f"{profile.target}, {profile.made}, {profile.seconds:.0f} s"
    )


def comparison(profile: Profile, chain: ChainSummary) -> str | None:
    """How the chain compares with the engine, in a sentence; ``None`` where nobody compared."""
    if chain.differs is None:
        return None
    passed = sum(c.direct is not None and c.direct.state is State.PASSED for c in profile.cases)
    if not chain.differs:
        return f"{profile.engine} directly: the same {passed} pass"
    return (
        f"{profile.engine} directly: {passed} pass; {len(chain.differs)} pass on one of the two "
        f"ways alone: {', '.join(chain.differs)}"
    )


def show(profile: Profile, console: Console) -> None:
    """Print a profile."""
    from rich.markup import escape
    from rich.table import Table

    console.print(escape(headline(profile)))
    for chain in profile.chains:
        console.print(f"\n[bold]{escape(chain.name)}[/]: {counted(chain.totals)}")
        table = Table(box=None, pad_edge=False)
        table.add_column("operator")
        table.add_column("passed", justify="right")
        table.add_column("not passed")
        for row in operators(profile, chain):
            table.add_row(row.operator, f"{row.passed}/{row.total}", row.others)
        console.print(table)
        for case, result in wrong(profile, chain):
            console.print(f"{word(result.state)}: {case.name}: {escape(result.reason)}")
        for reason, number in refusals(profile, chain):
            console.print(f"unsupported: {number} cases: {escape(reason)}")
        compared = comparison(profile, chain)
        if compared is not None:
            console.print(escape(compared))


def markdown(profile: Profile) -> str:
    """The same as a page."""
    lines = [f"# Operator profile: {profile.plugin}", "", f"{headline(profile)}.", ""]
    for chain in profile.chains:
        lines += [f"## {chain.name}", "", f"{counted(chain.totals)}.", ""]
        compared = comparison(profile, chain)
        lines += [f"{compared}.", ""] if compared is not None else []
        lines += ["| operator | passed | not passed |", "|---|---|---|"]
        lines += [
            f"| {row.operator} | {row.passed}/{row.total} | {row.others} |"
            for row in operators(profile, chain)
        ]
        listed = [
            f"- `{case.name}` {word(result.state)}: {_code(result.reason)}"
            for case, result in wrong(profile, chain)
        ]
        refused = [f"- {n} times: {_code(reason)}" for reason, n in refusals(profile, chain)]
        lines += [
            "",
            *(["Refused, for a reason that several share:", "", *refused] if refused else []),
        ]
        lines += ["", *(["Taken, and not right:", "", *listed, ""] if listed else [])]
    return "\n".join(lines).rstrip() + "\n"


def _operator(case: CaseResult) -> str:
    return f"{case.domain}.{case.operator}"


def _code(text: str) -> str:
    """As it is, whatever Markdown would make of it."""
    return f"`{text.replace('`', chr(39))}`"
