"""The plugin of `tests/dummies/steps_engine`, and an artifact that it can work on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import parts
import pytest

from hwcore.contract import Artifact
from hwcore.host import Event, LogEvent, PluginHost, discover


class Steps:
    """A host with the steps plugin, in process, and what its steps logged."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.host = PluginHost(
            discover(allow=("steps",)), door="in-process", on_event=self.events.append
        )

    @property
    def made(self) -> list[str]:
        """Capabilities of the steps that ran, in order."""
        lines = [event.message for event in self.events if isinstance(event, LogEvent)]
        return [line.removeprefix("made ") for line in lines if line.startswith("made ")]


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> Iterator[Steps]:
    monkeypatch.syspath_prepend(str(parts.DUMMIES / "steps_engine"))
    found = Steps()
    with found.host:
        yield found


@pytest.fixture
def source(tmp_path: Path) -> Artifact:
    return parts.linear(tmp_path / "source")
