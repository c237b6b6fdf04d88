"""Fixtures of the torch plugin's tests."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from core_plugin_torch import plugin
from hwcore.contract import Artifact, Runner, Target
from hwcore.host import local_cpu
from hwcore.host.context import HookContext
from hwcore.host.events import EventSink


@pytest.fixture(scope="session")
def run() -> Callable[..., Runner]:
    """``run(source, capability="eager", given=2, **options)``: a runner, ``given`` threads."""

    def load(
        source: Artifact, capability: str = "eager", *, given: int = 2, **options: Any
    ) -> Runner:
        ctx = HookContext(EventSink("torch", "run", None), threads=given)
        return plugin.run(
            artifact=source,
            capability=capability,
            options=options,
            target=Target.of(local_cpu()),
            ctx=ctx,
        )

    return load
