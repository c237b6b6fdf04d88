"""What can come of a clause."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field, JsonValue

from hwcore.contract import Value
from hwcore_conformance.clause import Level


class State(StrEnum):
    """What came of a clause for the plugin, or for one of its capabilities."""

    PASS = "PASS"  # noqa: S105 - no password
    FAIL = "FAIL"
    """The plugin breaks it."""
    ERROR = "ERROR"
    """The suite is at fault."""
    UNTESTABLE = "UNTESTABLE"
    """Something that the check stands on is missing: no better than a failure."""
    NOT_DECLARED = "NOT_DECLARED"
    """The plugin does not claim the capability that it is about."""
    NOT_APPLICABLE = "NOT_APPLICABLE"
    """The capability gives it nothing to bite on."""
    NOT_RUN_ON_HARDWARE = "NOT_RUN_ON_HARDWARE"
    """The hardware that the capability needs is not here."""


BAD = frozenset({State.FAIL, State.ERROR, State.UNTESTABLE})
"""States that fail a clause that says MUST."""


class Record(Value):
    """What came of one clause for one capability."""

    clause: str
    capability: str = ""
    """Id of the row; empty for a clause about the plugin."""
    level: Level
    family: str
    """``core``, or the hook whose level of conformance it belongs to."""
    state: State
    message: str = ""
    hint: str = ""
    seconds: float = 0.0
    measured: dict[str, JsonValue] = Field(default_factory=dict)
