"""A clause: one numbered sentence of the contract, and the check that holds a plugin to it."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from hwcore.contract import Capability
    from hwcore_conformance.subject import Subject

Level = Literal["MUST", "SHOULD", "MAY"]
Scope = Literal[
    "plugin",
    "devices",
    "sensitivity",
    "export",
    "quantize",
    "sparsify",
    "compile",
    "run",
    "work",
    "row",
]
"""What a clause depends on. ``plugin``, ``devices`` and ``sensitivity`` are checked once; the
others once for each row of the manifest: of that hook, of any hook that makes artifacts
(``work``), or of any."""

ROWLESS = ("devices", "sensitivity")
"""Hooks that a manifest declares as such, and not by rows."""

TOPICS = {
    "MAN": "Manifest",
    "DEV": "Devices",
    "EXP": "Export",
    "QNT": "Quantize",
    "SPR": "Sparsify",
    "SNS": "Sensitivity",
    "CMP": "Compile",
    "RUN": "Run",
    "ART": "Artifacts",
    "ERR": "Errors",
    "PRC": "Processes",
    "SAF": "Safety",
}
"""Name of each topic, by the prefix of its clauses."""

Measured = dict[str, Any]
"""Numbers that a check came by, kept in the report."""

Check = Callable[["Subject", "Capability"], Measured | None]
PluginCheck = Callable[["Subject"], Measured | None]

_ID = re.compile(r"([A-Z]{3})-\d{3}")
_LEVEL = re.compile(r"\b(MUST|SHOULD|MAY)\b")


class Broken(Exception):
    """The plugin breaks the clause that is being checked."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        """``hint`` says how to mend it, where the clause's own hint does not."""
        super().__init__(message)
        self.message = message
        self.hint = hint


class Untestable(Exception):
    """Something that the check stands on is missing. It counts as a failure."""


class NotApplicable(Exception):
    """The manifest says that the clause has nothing to bite on."""


@dataclass(frozen=True, slots=True)
class Clause:
    """One sentence of the contract."""

    id: str
    text: str
    scope: Scope
    check: Check | PluginCheck | None
    """``None``: it is in the contract, and nothing tests it yet."""
    mend: str
    """How to mend a plugin that breaks it."""
    since: str = "1.0"
    """The contract version that it came with."""
    slow: bool = False
    """Left out of a quick run."""
    fatal: bool = False
    """A plugin that ends the process, hangs or fills the disk in this check breaks it."""

    def __post_init__(self) -> None:
        if not (found := _ID.fullmatch(self.id)) or found[1] not in TOPICS:
            raise ValueError(f"{self.id} is no clause number")
        if len(set(_LEVEL.findall(self.text))) != 1 or not self.text.endswith("."):
            raise ValueError(f"{self.id} is not one sentence with one MUST, SHOULD or MAY")

    @property
    def level(self) -> Level:
        """MUST: breaking it fails the plugin. SHOULD and MAY: it is told, and no more."""
        found = _LEVEL.search(self.text)
        assert found is not None  # noqa: S101 - made sure of above
        level: Level = found[1]  # type: ignore[assignment]
        return level

    @property
    def once(self) -> bool:
        """True when it is checked once, and not for each row."""
        return self.scope == "plugin" or self.rowless

    @property
    def rowless(self) -> bool:
        """True when it is about a hook that has no rows."""
        return self.scope in ROWLESS

    def covers(self, hook: str) -> bool:
        """True when it is checked on rows of this hook."""
        if self.scope == "work":
            return hook != "run"
        return self.scope in (hook, "row")

    @property
    def topic(self) -> str:
        """Name of its topic."""
        return TOPICS[self.id[:3]]


class Clauses(list[Clause]):
    """The clauses of one module, in order; call it to decorate a check."""

    def __call__(
        self,
        id: str,
        text: str,
        *,
        mend: str,
        scope: Scope = "plugin",
        since: str = "1.0",
        slow: bool = False,
        fatal: bool = False,
    ) -> Callable[[Callable[..., Measured | None]], Callable[..., Measured | None]]:
        """Add the decorated function as the check of a clause."""

        def add(check: Callable[..., Measured | None]) -> Callable[..., Measured | None]:
            sentence = " ".join(text.split())
            how = " ".join(mend.split())
            self.append(Clause(id, sentence, scope, check, how, since, slow, fatal))
            return check

        return add

    def untested(
        self, id: str, text: str, *, mend: str, scope: Scope = "plugin", since: str = "1.0"
    ) -> None:
        """Add a clause that has no check yet: it is listed, and no run asks about it."""
        self.append(Clause(id, " ".join(text.split()), scope, None, " ".join(mend.split()), since))
