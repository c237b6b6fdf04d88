"""Which door: in this process, or to a worker."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Literal

from hwcore.contract import UserError
from hwcore.host.door import Door
from hwcore.host.limits import Limits
from hwcore.host.records import PluginRecord

DoorKind = Literal["worker", "in-process"]
OpenDoor = Callable[[PluginRecord], Door]


def door_opener(kind: DoorKind, limits: Limits, interpreter: str, grace: float) -> OpenDoor:
    """What makes the door of a plugin. Raises `UserError` for limits that it cannot keep.

    The doors' modules, and numpy with them, are imported with the first door.
    """

    def in_process(record: PluginRecord) -> Door:
        from hwcore.host.inprocess import InProcessDoor

        return InProcessDoor(record)

    def worker(record: PluginRecord) -> Door:
        from hwcore.host.worker.client import WorkerDoor

        return WorkerDoor(record, limits, interpreter, grace)

    if kind == "worker":
        if sys.platform == "win32":
            raise UserError("workers need a POSIX system", hint="Use the in-process door.")
        return worker
    if limits.seconds is not None or limits.memory_bytes is not None:
        raise UserError(
            "seconds and memory cannot be limited in process",
            hint="Leave these limits out, or use the worker door.",
        )
    return in_process
