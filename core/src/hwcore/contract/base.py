"""What every value of the contract shares: frozen, strict about keys, JSON both ways."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, JsonValue, StringConstraints

WorkHook = Literal["export", "quantize", "sparsify", "compile", "run"]
"""The five kinds of work. The hooks ``devices`` and ``sensitivity`` are never steps of a plan."""

HOOKS: tuple[WorkHook, ...] = ("export", "quantize", "sparsify", "compile", "run")

Role = Literal["calibration", "train", "tune", "test"]
"""What a row of a dataset may be used for; a row has exactly one role."""

Name = Annotated[
    str, StringConstraints(pattern=r"^[a-z0-9]([a-z0-9._-]*[a-z0-9])?$", max_length=64)
]
"""A plugin, capability, format or recipe name: lower case, digits, ``.``, ``_`` and ``-``."""

Options = dict[str, JsonValue]
"""Options of a step: whatever JSON can hold, checked against the capability's schema."""


class Value(BaseModel):
    """A frozen value that survives a process boundary as JSON and knows nothing of I/O."""

    # JSON writes a number that is not finite as null: what comes back would be another value.
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
