"""Run clauses on a plugin: every check once, and whatever it does becomes a record."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from hwcore.contract import HOOKS, Capability, PluginError, UserError
from hwcore.host import PluginRecord, allowed_by_environment, discover, missing_requirements
from hwcore_conformance.clause import Clause
from hwcore_conformance.clauses import ALL
from hwcore_conformance.process import Room, RoomLost, has_space, kill_marked
from hwcore_conformance.states import Record, State
from hwcore_conformance.subject import CALL_SECONDS, Settings

Notify = Callable[[Clause, str, State | None], None]
"""Told of a clause and a capability's id before its check, with its state after it."""

SILENCE = CALL_SECONDS + 60
"""Seconds without a sign after which the plugin is taken for hung."""


class Suite:
    """Checks clauses on one plugin, in a process of their own. Close it to end that.

    A plugin that ends the process, hangs or fills the disk loses the check it did so in, and
    those of the same capability that come after it.
    """

    def __init__(
        self,
        plugin: str,
        workspace: Path,
        *,
        seed: int = 0,
        families: Sequence[str] = (),
        models: Path | None = None,
        silence: float = SILENCE,
        compiled_anew: bool = False,
    ) -> None:
        """``workspace`` is an empty folder that everything is written to.

        ``families`` names the only architectures to try, all by default. ``models`` is where
        the models of this seed are kept, made there if they are not: by default in the workspace.
        ``compiled_anew`` leaves the bytecode alone that lies beside modules: it may be planted.
        Raises `UserError` when there is no such plugin, or hardly any space.
        """
        self.record: PluginRecord = discover(allow=allowed_by_environment()).record(plugin)
        self.seed = seed
        workspace = workspace.absolute()
        if not has_space(workspace):
            raise UserError(
                f"the disk of {workspace} has no gigabyte left",
                hint="Free some, or name a folder of another disk in TMPDIR.",
            )
        self._settings = Settings(
            plugin=plugin,
            workspace=workspace,
            models=(models or workspace / "models").absolute(),
            seed=seed,
            families=tuple(families),
        )
        self._silence = silence
        self._compiled_anew = compiled_anew
        self._mark = uuid.uuid4().hex
        self._room: Room | None = None
        self._rooms = 0
        self._lost: dict[str, str] = {}
        self._extras: dict[str, list[str]] = {}

    @property
    def rows(self) -> tuple[Capability, ...]:
        """Capabilities of the plugin's manifest."""
        return self.record.capabilities

    def check(self, clause: Clause, row: Capability | None = None) -> Record:
        """Check one clause, on one capability if it is about those."""
        began = time.monotonic()
        found = {"seconds": 0.0, **self._outcome(clause, row)}
        found["seconds"] = found["seconds"] or time.monotonic() - began
        return record_of(clause, row, **found)

    def close(self) -> None:
        """End the process of the checks, and whatever the plugin has started."""
        if self._room is not None:
            self._room.end()
            self._room = None
        kill_marked(self._mark)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _missing(self, extra: str | None) -> list[str]:
        if extra is None:
            return []
        if extra not in self._extras:
            self._extras[extra] = missing_requirements(self.record, extra)
        return self._extras[extra]

    def _outcome(self, clause: Clause, row: Capability | None) -> dict[str, Any]:
        if row is not None and not self.record.usable:
            reason = f"it is {self.record.state}: {self.record.reason}"
            return {"state": State.UNTESTABLE, "message": reason}
        if row is not None:
            try:
                missing = self._missing(row.extra)
            except PluginError as error:
                return {"state": State.UNTESTABLE, "message": error.reason}
            if missing:
                return {
                    "state": State.UNTESTABLE,
                    "message": f"not installed: {', '.join(missing)}",
                    "hint": f'pip install "{self.record.distribution}[{row.extra}]"',
                }
        capability = row.id if row is not None else ""
        if capability in self._lost:
            return {"state": State.UNTESTABLE, "message": self._lost[capability]}
        if self._room is None:
            self._rooms += 1
            folder = self._settings.workspace / f"room-{self._rooms}"
            self._room = Room(self._settings, self._mark, folder, compiled_anew=self._compiled_anew)
        try:
            return self._room.ask(clause.id, capability, self._silence)
        except RoomLost as lost:
            room = self._room
            self.close()
            room.clear()
            self._lost[capability] = f"{lost} in {clause.id}"
            state = State.FAIL if clause.fatal else State.UNTESTABLE
            return {"state": state, "message": str(lost), "hint": clause.mend}


def run(
    suite: Suite,
    clauses: Sequence[Clause] = ALL,
    notify: Notify | None = None,
) -> Iterator[Record]:
    """Check the clauses: those about the plugin, then capability by capability."""

    def checked(clause: Clause, row: Capability | None) -> Record:
        if notify is not None:
            notify(clause, row.id if row is not None else "", None)
        record = suite.check(clause, row)
        if notify is not None:
            notify(clause, record.capability, record.state)
        return record

    for clause, row in order(suite.record, clauses):
        if declared(clause, row, suite.record):
            yield checked(clause, row)
        else:
            yield record_of(clause, None, State.NOT_DECLARED)


def declared(clause: Clause, row: Capability | None, record: PluginRecord) -> bool:
    """False for a clause about something that the manifest does not claim."""
    if clause.rowless:
        return clause.scope in record.hooks
    return row is not None or clause.scope == "plugin"


def order(
    record: PluginRecord, clauses: Sequence[Clause]
) -> Iterator[tuple[Clause, Capability | None]]:
    """Every check of a run: about the plugin, by capability, and those of hooks not declared.

    Of a capability, whether it works at all comes first: what else a crash takes away, this says.
    """
    work = [clause for clause in clauses if not clause.once]
    yield from ((clause, None) for clause in clauses if clause not in work)
    work.sort(key=lambda clause: not clause.fatal or clause.scope == "row")
    for row in record.capabilities:
        yield from ((clause, row) for clause in work if clause.covers(row.hook))
    for clause in work:
        if not any(clause.covers(row.hook) for row in record.capabilities):
            yield clause, None


def record_of(clause: Clause, row: Capability | None, state: State, **fields: Any) -> Record:
    """What came of a check."""
    family = row.hook if row is not None else clause.scope if clause.scope in HOOKS else "core"
    return Record(
        clause=clause.id,
        capability=row.id if row is not None else "",
        level=clause.level,
        family=family,
        state=state,
        **fields,
    )
