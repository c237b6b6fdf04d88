"""What was found, as values: see docs/operators.md."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from enum import StrEnum
from typing import Literal

from hwcore.contract import Value


class State(StrEnum):
    """How a case ended."""

    PASSED = "passed"
    FAILED = "failed"
    """It was computed, and the numbers, shapes or dtypes are wrong."""
    RAISED = "raised"
    """It was loaded, and the call ended with an error."""
    UNSUPPORTED = "unsupported"
    """It was refused before a call: by the manifest, in a step, or when it was loaded."""
    CRASHED = "crashed"
    """The process ended."""
    TIMED_OUT = "timed_out"
    """It took longer than the limit, and the process was ended."""
    NOT_EXPRESSIBLE = "not_expressible"
    """The contract has no word for an input or output: the plugin was not asked."""


class Result(Value):
    """How one case ended on one way. ``reason`` is empty where it passed."""

    state: State
    reason: str = ""


class CaseResult(Value):
    """One of ONNX's tests, with how it ended on each chain, and directly where that was asked."""

    name: str
    domain: str
    operator: str
    opset: int
    results: dict[str, Result]
    direct: Result | None = None


class ChainSummary(Value):
    """One way through the plugin's hooks, and how many cases ended how."""

    name: str
    plugin_steps: tuple[str, ...]
    """``plugin/capability`` of each."""
    totals: dict[State, int]
    differs: tuple[str, ...] | None = None
    """Cases that passed either here or directly, and not both; ``None`` where nobody compared."""


class Profile(Value):
    """The file ``operators.json``."""

    schema_version: Literal[1] = 1
    made: str
    """Day, as ``2026-11-20``."""
    plugin: str
    plugin_version: str
    versions: dict[str, str]
    """``onnx``, its newest ``opset``, hwcore, and the libraries that the manifest lists."""
    target: str
    """The processor."""
    only: str | None = None
    """Expression that chose the cases."""
    engine: str | None = None
    """What the cases were compared with."""
    seconds: float
    chains: tuple[ChainSummary, ...]
    cases: tuple[CaseResult, ...]


def differing(cases: Sequence[CaseResult], chain: str) -> tuple[str, ...] | None:
    """Cases that passed on a chain and not directly, or the other way round; ``None`` where
    nobody asked directly."""
    asked = [(case, case.direct) for case in cases if case.direct is not None]
    if not asked:
        return None
    return tuple(
        case.name
        for case, direct in asked
        if (case.results[chain].state is State.PASSED) is not (direct.state is State.PASSED)
    )


def totals(results: Sequence[Result]) -> dict[State, int]:
    """How many ended how, every state named."""
    found = Counter(result.state for result in results)
    return {state: found[state] for state in State}
