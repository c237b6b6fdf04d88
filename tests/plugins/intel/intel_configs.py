"""What the tests of configurations share."""

from __future__ import annotations

from typing import Any

from intel_steps import RecordingContext

from core_plugin_intel.config import Translation, resolve, translate
from core_plugin_intel.options import BY_CAPABILITY
from hwcore.contract import Value

OLD = "dropped in 3.8, with the API of 2.x"


def translated(node: Any) -> Translation:
    """A translation whose options are those of its row."""
    made = translate(node)
    BY_CAPABILITY[made.capability].model_validate(made.options)
    return made


def resolved(options: Value, capability: str) -> tuple[Value, list[tuple[str, str]]]:
    """Options with those of their configuration, and what was said."""
    ctx = RecordingContext()
    return resolve(options, capability, ctx), ctx.lines
