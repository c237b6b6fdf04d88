"""What the process of the checks answers, taken apart by the suite, which trusts none of it.

The plugin lives in that process, and can write to the pipe itself. So every answer repeats a
word that only its request has named, and a line that is anything but an answer ends the process.
"""

from __future__ import annotations

from typing import Any, Final

from pydantic import Field, TypeAdapter, ValidationError

from hwcore.contract import Value
from hwcore_conformance.states import Measured, Said, State

LONGEST_LINE: Final = 1 << 20
"""Bytes of an answer; its texts are cut where they are written."""

ANSWERED: Final = frozenset(State) - {State.NOT_DECLARED, State.DISABLED}
"""States that a check can come to: of the others there is none."""


class NoAnswer(Exception):
    """The line is none of the suite's."""


class Outcome(Value):
    """What came of a check."""

    state: State
    message: Said = ""
    hint: Said = ""
    seconds: float = Field(default=0.0, ge=0)
    measured: Measured = Field(default_factory=dict)


class Done(Value):
    """The check is over."""

    word: str
    outcome: Outcome


class Beat(Value):
    """What the plugin is asked next."""

    word: str
    beat: Said


_LINE: TypeAdapter[Done | Beat] = TypeAdapter(Done | Beat)


def understood(line: bytes, word: str) -> str | dict[str, Any]:
    """A sign of life in words, or the fields of an outcome. Raises `NoAnswer`."""
    try:
        answer = _LINE.validate_json(line)
    except ValidationError as error:
        raise NoAnswer from error
    if answer.word != word:
        raise NoAnswer
    if isinstance(answer, Beat):
        return answer.beat
    if answer.outcome.state not in ANSWERED:
        raise NoAnswer
    return dict(answer.outcome)
