"""What can come of a clause."""

from __future__ import annotations

import math
from enum import StrEnum
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, JsonValue

from hwcore.contract import Value
from hwcore_conformance.clause import Level
from hwcore_conformance.text import clean

Said = Annotated[str, AfterValidator(clean)]
"""Text that may be a plugin's own words: safe to print wherever a report is shown."""


def _tidy(value: Any) -> Any:
    """The value with clean text, and with names for the numbers that JSON has none for."""
    if isinstance(value, dict):
        return {clean(key): _tidy(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_tidy(inner) for inner in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return clean(value) if isinstance(value, str) else value


Measured = Annotated[dict[str, JsonValue], BeforeValidator(_tidy)]


class State(StrEnum):
    """What came of a clause for the plugin, or for one of its capabilities."""

    PASS = "PASS"  # noqa: S105 - no password
    FAIL = "FAIL"
    """The plugin breaks it."""
    ERROR = "ERROR"
    """The suite is at fault: no better than a failure, for nothing is known."""
    UNTESTABLE = "UNTESTABLE"
    """Something that the check stands on is missing: no better than a failure."""
    NOT_DECLARED = "NOT_DECLARED"
    """The plugin does not claim the capability that it is about."""
    NOT_APPLICABLE = "NOT_APPLICABLE"
    """The capability gives it nothing to bite on."""
    NOT_RUN_ON_HARDWARE = "NOT_RUN_ON_HARDWARE"
    """The hardware that the capability needs is not here."""
    DISABLED = "DISABLED"
    """The baseline file says not to check it, why, and until when."""


BAD = frozenset({State.FAIL, State.ERROR, State.UNTESTABLE})
"""States that fail a clause that says MUST."""


class Record(Value):
    """What came of one clause for one capability."""

    clause: str
    """Its number."""
    capability: str = ""
    """Id of the row; empty for a clause about the plugin."""
    level: Level
    """The clause's word: how much it asks."""
    family: str
    """The level of conformance that it counts for: ``core``, or a hook."""
    state: State
    message: Said = ""
    """What is wrong, or why there was nothing to check."""
    hint: Said = ""
    """How to mend it."""
    seconds: float = Field(default=0.0, ge=0)
    measured: Measured = Field(default_factory=dict)
    """Numbers that the check came by."""
