"""What a person is told, and how often."""

from __future__ import annotations

from hwcore.contract.context import Level
from hwcore.workflows.reporter import Once, Silent


class Kept(Silent):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, Level]] = []

    def log(self, message: str, level: Level = "info") -> None:
        self.lines.append((message, level))


def test_a_line_is_handed_on_once() -> None:
    kept = Kept()
    once = Once(kept)
    for message in ("without AMX", "without AMX", "without VNNI", "without AMX"):
        once.log(message, "warning")
    once.log("without AMX")
    assert kept.lines == [
        ("without AMX", "warning"),
        ("without VNNI", "warning"),
        ("without AMX", "info"),
    ]
