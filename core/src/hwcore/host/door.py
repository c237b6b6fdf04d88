"""The one interface of both doors to a plugin's code, and what goes through them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from hwcore.contract import (
    Array,
    Arrays,
    Artifact,
    Dataset,
    Device,
    Draft,
    Options,
    Sensitivity,
    Signature,
    Target,
    Value,
    WorkHook,
)
from hwcore.host.context import HookContext


class WorkRequest(Value):
    """The arguments of a work hook, all but ``ctx``."""

    hook: WorkHook
    source: Artifact
    capability: str
    options: Options
    data: Dataset | None
    target: Target
    reference: Artifact
    out: Path


class SensitivityRequest(Value):
    """The arguments of ``sensitivity``, all but ``ctx``."""

    source: Artifact
    options: Options
    data: Dataset
    target: Target


class RunRequest(Value):
    """The arguments of ``run``, all but ``ctx``."""

    artifact: Artifact
    capability: str
    options: Options
    target: Target


class ModelHandle(Protocol):
    """A loaded model behind a door. Its inputs have been checked; errors are of our tree."""

    @property
    def signature(self) -> Signature: ...

    @property
    def load_seconds(self) -> float:
        """Seconds the ``run`` hook took, in the plugin's process, its imports not counted."""
        ...

    def __call__(self, inputs: Arrays, outputs: Sequence[str] | None = None) -> dict[str, Array]:
        """One call. What is returned belongs to the caller."""
        ...

    def time_calls(self, inputs: Sequence[Arrays], calls: int) -> list[int]:
        """Nanoseconds of each of ``calls`` calls, cycling through ``inputs``, without the door."""
        ...

    def peak_rss(self) -> int:
        """Most bytes that were ever resident in the process that holds the model."""
        ...

    def cancel(self) -> None:
        """Ask calls in flight to stop, where that is possible."""
        ...

    def close(self) -> None:
        """Free the model, and the process if it has one of its own."""
        ...


class Door(Protocol):
    """The way to one plugin's code, which the first call loads.

    Safe to use from several threads; work is done in turn. Every method raises `LoadFailed`
    when the code does not load.
    """

    def devices(self, ctx: HookContext) -> list[Device]:
        """Call ``devices``."""
        ...

    def work(self, request: WorkRequest, ctx: HookContext) -> Draft:
        """Call the work hook that the request names."""
        ...

    def sensitivity(self, request: SensitivityRequest, ctx: HookContext) -> Sensitivity:
        """Call ``sensitivity``."""
        ...

    def run(self, request: RunRequest, ctx: HookContext) -> ModelHandle:
        """Call ``run``."""
        ...

    def close(self) -> None:
        """Let go of the plugin's code; models that were loaded live on."""
        ...
