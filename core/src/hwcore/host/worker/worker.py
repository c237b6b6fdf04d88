"""One worker as the host talks to it: requests go out; answers, events and its end come in."""

from __future__ import annotations

import contextlib
import itertools
import os
import selectors
import socket
import threading
import time
from typing import Any, Final

from hwcore.contract import Cancelled, HwcoreError, PluginError
from hwcore.host.context import HookContext
from hwcore.host.faults import LoadFailed
from hwcore.host.limits import Limits
from hwcore.host.records import PluginRecord
from hwcore.host.worker.environment import worker_environment
from hwcore.host.worker.obituary import obituary
from hwcore.host.worker.output import OutputLines
from hwcore.host.worker.process import WorkerProcess
from hwcore.host.worker.reply import Reply
from hwcore.host.worker.wire import WIRE_VERSION, Message, decode_error

_READ: Final = 1 << 16
_DRAIN_READS: Final = 64
"""Reads of output before an answer is handed on: a plugin's threads may print without end."""

_END_SECONDS: Final = 5.0
"""Longest wait for word of how a killed worker ended."""


class Worker:
    """A worker process with a plugin in it. Requests are made one at a time."""

    def __init__(
        self, record: PluginRecord, limits: Limits, interpreter: str, grace: float, ctx: HookContext
    ) -> None:
        """Start it. ``ctx`` is the call that it is started for: events go to its sink."""
        self.grace = grace
        self._record = record
        self._limits = limits
        self._sink = ctx.sink
        self._output = OutputLines(lambda line: self._sink.log(line, "debug", "output"))
        self._numbers = itertools.count(1)
        self._replies: dict[int, Reply] = {}
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._status: int | None = None
        self._verdict: str | None = None
        self.process = WorkerProcess(interpreter, worker_environment(record, limits))
        self._watcher = threading.Thread(
            target=self._watch, name=f"hwcore-{record.name}", daemon=True
        )
        self._watcher.start()

    @property
    def alive(self) -> bool:
        """False once it is known to have ended, or is being killed, or is not ours to use."""
        return self._verdict is None and not self._ended.is_set() and not self.foreign

    @property
    def foreign(self) -> bool:
        """True in a fork of the process that started it, where it must not be used."""
        return self.process.foreign

    def load(self, ctx: HookContext, deadline: float | None) -> None:
        """Have it load the plugin. Raises `LoadFailed`, and as `request` does."""
        try:
            self.request(
                "load",
                ctx,
                None,
                deadline,
                plugin=self._record.name,
                version=self._record.version,
                memory_bytes=self._limits.memory_bytes,
            )
        except PluginError as error:
            if isinstance(error, LoadFailed) or self._verdict is not None:
                raise
            raise LoadFailed(
                f"its code does not load: {error.reason}",
                plugin=error.plugin,
                version=error.version,
                hint=error.hint,
                details=error.details,
            ) from error

    def request(
        self, kind: str, ctx: HookContext, hook: str | None, deadline: float | None, **fields: Any
    ) -> Any:
        """Send a request, wait for its answer and give the value in it.

        ``deadline`` is when to kill the worker, as `time.monotonic` counts. Raises the error
        that the worker answers with; `PluginError` when it died or was killed; `Cancelled` when
        ``ctx`` was cancelled before, or no answer came after it was. When the wait itself is
        broken off, by Ctrl-C, the worker is asked to stop and killed if it does not.
        """
        if ctx.token.is_set():
            raise self._cancelled(hook)
        self._sink = ctx.sink
        message = reply = None
        try:
            reply = self._send(kind, deadline, {**fields, "seed": ctx.seed, "threads": ctx.threads})
            ctx.token.listen(lambda: self.ask_to_stop(reply))
            message = reply.wait()
        except BaseException:
            ctx.token.set()
            if reply is not None:
                reply.expect_within(self.grace)
                message = reply.wait()
            raise
        finally:
            if message is None:
                self.kill("cancelled" if ctx.token.is_set() else "late")
        if message is None or message["kind"] == "ended":
            raise self.fault(hook)
        if message["kind"] == "error":
            raise decode_error(message["error"])
        return message["value"]

    def peak_rss(self) -> int:
        """Most bytes that were ever resident in the worker."""
        message = self._send("peak", time.monotonic() + _END_SECONDS, {}).wait()
        if message is None or message["kind"] != "value":
            raise self.fault("run")
        peak: int = message["value"]
        return peak

    def open_lane(self) -> socket.socket:
        """The host's end of a new lane. Raises `PluginError` when the worker has ended."""
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                self.process.connection.send({"kind": "lane"}, (theirs.fileno(),))
            except OSError as error:
                ours.close()
                raise self.fault("run") from error
        return ours

    def ask_to_stop(self, reply: Reply | None = None) -> None:
        """Make ``ctx.cancelled()`` true over there; ``reply`` is then due within the grace."""
        self._tell({"kind": "cancel"})
        if reply is not None:
            reply.expect_within(self.grace)

    def resume(self) -> None:
        """Make ``ctx.cancelled()`` false again: the call that was to stop has ended."""
        self._tell({"kind": "resume"})

    def kill(self, verdict: str) -> None:
        """Kill it and all that it started. Again does nothing."""
        with self._lock:
            self._verdict = self._verdict or verdict
        self.process.kill()

    def close(self) -> None:
        """Let it free its model and end by itself, and kill it if that takes too long.

        Raises `PluginError` when the plugin fails to close its model.
        """
        message = None
        if self.foreign:
            return
        if threading.current_thread() is self._watcher:  # an event's callback closes the host
            self.kill("closed")
            return
        if self.alive:
            message = self._send("close", time.monotonic() + self.grace, {}).wait()
            if message is not None:
                self._ended.wait(self.grace)
        self.kill("closed")
        self._ended.wait(_END_SECONDS)
        if message is not None and message["kind"] == "error":
            raise decode_error(message["error"])

    def fault(self, hook: str | None) -> HwcoreError:
        """The error for a worker that has ended, or is being killed, before it had answered."""
        if not self._ended.wait(_END_SECONDS):
            self.kill("it did not answer any more")
            self._ended.wait(_END_SECONDS)
        tail = self._output.tail
        message, hint = obituary(self._status, tail, self._limits.memory_bytes)
        if self._verdict == "cancelled":
            return self._cancelled(hook)
        if self._verdict == "closed":
            return Cancelled(
                f"the host was closed during {hook or 'loading'} of {self._record.name}"
            )
        if self._verdict == "late":
            message = f"it took longer than the limit of {self._limits.seconds:g} s and was killed"
            hint = "Raise the limit, or leave this step out."
        elif self._verdict is not None:
            message, hint = f"its process was killed: {self._verdict}", None
        return PluginError(
            message,
            plugin=self._record.name,
            version=self._record.version,
            hook=hook,
            hint=hint,
            details=f"The last lines it wrote:\n{tail}" if tail else None,
        )

    def _cancelled(self, hook: str | None) -> Cancelled:
        return Cancelled(f"{hook or 'loading'} of plugin {self._record.name} was cancelled")

    def _send(self, kind: str, deadline: float | None, fields: Message) -> Reply:
        number = next(self._numbers)
        reply = Reply(deadline)
        with self._lock:
            self._replies[number] = reply
        self._tell({"kind": kind, "id": number, **fields})
        if self._ended.is_set():
            reply.deliver({"kind": "ended"})
        return reply

    def _tell(self, message: Message) -> None:
        # To a worker that is gone nothing can be told: who waits is told by `_watch`.
        with contextlib.suppress(OSError):
            self.process.connection.send(message)

    def _watch(self) -> None:
        """Take in what comes from the worker, until it has ended. Runs on a thread of its own."""
        process = self.process
        try:
            self._follow()
            self._status = process.reap()
            process.connection.sock.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                while self._read_messages():
                    pass
            self._drain_output()
        finally:  # whatever happens, nobody waits for a worker that is not followed
            process.close()
            self._ended.set()
            with self._lock:
                replies = list(self._replies.values())
            for reply in replies:
                reply.deliver({"kind": "ended"})

    def _follow(self) -> None:
        process = self.process
        with selectors.DefaultSelector() as selector:
            for source in (process.connection.sock, process.output_fd, process.status_fd):
                selector.register(source, selectors.EVENT_READ)
            while True:
                for key, _ in selector.select():
                    if key.fileobj == process.status_fd:
                        return
                    if key.fileobj == process.output_fd:
                        if self._read_output() == 0:
                            selector.unregister(process.output_fd)
                    elif not self._read_messages():
                        selector.unregister(process.connection.sock)

    def _read_messages(self) -> bool:
        """False at the end of them."""
        messages = self.process.connection.receive()
        for message in messages or ():
            self._take(message)
        return messages is not None

    def _take(self, message: Message) -> None:
        kind = message["kind"]
        if kind == "progress":
            self._sink.progress(message["fraction"], message["message"])
        elif kind == "log":
            self._sink.log(message["message"], message["level"])
        elif kind == "hello":
            self.process.pid = message["pid"]
            if message["wire"] != WIRE_VERSION:
                self.kill("its interpreter has another version of hwcore")
        else:
            self._drain_output()
            with self._lock:
                reply = self._replies.pop(message["id"])
            reply.deliver(message)

    def _read_output(self) -> int | None:
        """Bytes read: 0 at the end of the output, ``None`` when there is none yet."""
        try:
            data = os.read(self.process.output_fd, _READ)
        except BlockingIOError:
            return None
        self._output.feed(data)
        return len(data)

    def _drain_output(self) -> None:
        """What was written before now, handed on before what comes next."""
        for _ in range(_DRAIN_READS):
            if not self._read_output():
                break
        self._output.flush()
