"""The worker door: the plugin's code runs in another process, which this one watches."""

from __future__ import annotations

import threading
import time

from hwcore.contract import Device, Draft, Sensitivity, Signature, UserError
from hwcore.host.context import HookContext
from hwcore.host.door import RunRequest, SensitivityRequest, WorkRequest
from hwcore.host.limits import Limits
from hwcore.host.records import PluginRecord
from hwcore.host.worker.model import WorkerModel
from hwcore.host.worker.worker import Worker


class WorkerDoor:
    """A `hwcore.host.door.Door`.

    Work is done by one worker that is kept, so that libraries are imported once; when it has
    died, the next call starts a fresh one. Each model gets a worker of its own, so that its
    memory and its threads are its own.
    """

    def __init__(
        self, record: PluginRecord, limits: Limits, interpreter: str, grace: float
    ) -> None:
        self._record = record
        self._limits = limits
        self._interpreter = interpreter
        self._grace = grace
        self._turn = threading.Lock()
        self._worker: Worker | None = None
        self._closed = False

    def devices(self, ctx: HookContext) -> list[Device]:
        """Call ``devices``."""
        with self._turn:
            deadline = self._deadline()
            found = self._kept(ctx, deadline).request("devices", ctx, "devices", deadline)
        return [Device.model_validate(device) for device in found]

    def work(self, request: WorkRequest, ctx: HookContext) -> Draft:
        """Call the work hook that the request names."""
        with self._turn:
            deadline = self._deadline()
            worker = self._kept(ctx, deadline)
            made = worker.request(
                "work", ctx, request.hook, deadline, request=request.model_dump(mode="json")
            )
        return Draft.model_validate(made)

    def sensitivity(self, request: SensitivityRequest, ctx: HookContext) -> Sensitivity:
        """Call ``sensitivity``."""
        with self._turn:
            deadline = self._deadline()
            worker = self._kept(ctx, deadline)
            found = worker.request(
                "sensitivity",
                ctx,
                "sensitivity",
                deadline,
                request=request.model_dump(mode="json"),
            )
        return Sensitivity.model_validate(found)

    def run(self, request: RunRequest, ctx: HookContext) -> WorkerModel:
        """Call ``run`` in a fresh worker."""
        deadline = self._deadline()
        worker = self._start(ctx)
        try:
            worker.load(ctx, deadline)
            loaded = worker.request(
                "run", ctx, "run", deadline, request=request.model_dump(mode="json")
            )
        except BaseException:
            worker.close()
            raise
        signature = Signature.model_validate(loaded["signature"])
        return WorkerModel(worker, signature, loaded["load_seconds"], self._limits.seconds)

    def close(self) -> None:
        """End the worker that is kept for work."""
        self._closed = True  # not in turn: what is being done may take for ever
        worker = self._worker
        if worker is not None:
            worker.close()

    def _kept(self, ctx: HookContext, deadline: float | None) -> Worker:
        if self._worker is None or not self._worker.alive:
            worker = self._worker = self._start(ctx)
            try:
                worker.load(ctx, deadline)
            except BaseException:
                worker.close()
                raise
        return self._worker

    def _start(self, ctx: HookContext) -> Worker:
        if self._closed:
            raise UserError("the plugin host is closed", hint="Make a new one.")
        return Worker(self._record, self._limits, self._interpreter, self._grace, ctx)

    def _deadline(self) -> float | None:
        seconds = self._limits.seconds
        return None if seconds is None else time.monotonic() + seconds
