"""What runs in the worker: one plugin, its hooks called on the main thread as the host asks."""

from __future__ import annotations

import contextlib
import ctypes
import faulthandler
import os
import queue
import resource
import socket
import sys
import threading
import time
import traceback
from collections.abc import Callable
from typing import Any

from hwcore.contract import Artifact, Dataset, HwcoreError, PluginError
from hwcore.contract.context import Level
from hwcore.host.cancel import CancelToken
from hwcore.host.context import HookContext
from hwcore.host.discovery import discover_one
from hwcore.host.door import RunRequest, SensitivityRequest, WorkRequest
from hwcore.host.events import Stream
from hwcore.host.faults import loading
from hwcore.host.hosted import HostedModel
from hwcore.host.rss import peak_rss
from hwcore.host.runtime import PluginRuntime
from hwcore.host.worker.serving import serve
from hwcore.host.worker.wire import (
    WIRE_VERSION,
    Connection,
    Message,
    MessageTooLong,
    encode_error,
)

_PROGRESS_SECONDS = 0.02
_LINE_BUFFERED = 1  # _IOLBF of stdio.h on Linux and macOS


def main(control: int) -> None:
    """Serve the host on the other end of the socket ``control`` until it says close."""
    faulthandler.enable()
    _write_line_by_line()
    Server(Connection(socket.socket(fileno=control))).run()


class WireSink:
    """A `hwcore.host.events.Sink` whose other end is the host's."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._last = 0.0

    def progress(self, fraction: float, message: str) -> None:
        now = time.monotonic()
        if fraction < 1 and now - self._last < _PROGRESS_SECONDS:
            return  # nobody reads faster
        self._last = now
        self._connection.send({"kind": "progress", "fraction": fraction, "message": message})

    def log(self, message: str, level: Level, stream: Stream = "log") -> None:
        self._connection.send({"kind": "log", "message": message, "level": level})


class Server:
    """Reads requests on a thread of its own, so that a cancel arrives while a hook runs.

    The main thread loads the model and answers its first lane: vendors' thread pools often
    belong to the thread that made them. Every further lane has a thread of its own.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._requests: queue.SimpleQueue[Message] = queue.SimpleQueue()
        self._first_lane: queue.SimpleQueue[socket.socket | None] = queue.SimpleQueue()
        self._ctx = HookContext(WireSink(connection))
        self._token = self._ctx.token
        self._pid = os.getpid()
        self._runtime: PluginRuntime | None = None
        self._model: HostedModel | None = None
        self._lanes: list[threading.Thread] = []

    def run(self) -> None:
        """Answer requests in turn, the last of which is to close."""
        self._connection.send({"kind": "hello", "pid": self._pid, "wire": WIRE_VERSION})
        threading.Thread(target=self._listen, name="hwcore-control", daemon=True).start()
        answers: dict[str, Callable[[Message], Any]] = {
            "load": self._load,
            "devices": self._devices,
            "work": self._work,
            "sensitivity": self._sensitivity,
            "run": self._run,
            "close": self._close,
        }
        kind = ""
        while kind != "close":
            request = self._requests.get()
            kind = request["kind"]
            try:
                answer = {"kind": "value", "value": answers[kind](request)}
            except HwcoreError as error:
                answer = {"kind": "error", "error": encode_error(error)}
            if os.getpid() != self._pid:
                os._exit(0)  # a hook forked, and this is the child: it has no answer to give
            _flush_output()
            self._answer(request, answer)
            if kind == "run" and self._model is not None:
                first = self._first_lane.get()
                if first is not None:
                    serve(first, self._model)

    def _answer(self, request: Message, answer: Message) -> None:
        try:
            self._connection.send({"id": request["id"], **answer})
        except MessageTooLong as error:
            refused = PluginError(f"what it returned is too long: {error}")
            self._connection.send(
                {"id": request["id"], "kind": "error", "error": encode_error(refused)}
            )

    def _listen(self) -> None:
        """Take messages in. Without the host, or deaf to it, this process is of no use."""
        try:
            self._take_messages()
        except Exception:
            traceback.print_exc()
        os._exit(1)

    def _take_messages(self) -> None:
        while (messages := self._connection.receive()) is not None:
            for message in messages:
                kind = message["kind"]
                if kind == "cancel":
                    self._token.set()
                elif kind == "resume":
                    self._token = self._ctx.token = CancelToken()
                elif kind == "lane":
                    self._open_lane(socket.socket(fileno=self._connection.fds.popleft()))
                elif kind == "peak":
                    answer = {"id": message["id"], "kind": "value", "value": peak_rss()}
                    self._connection.send(answer)
                else:
                    if kind == "close":
                        self._first_lane.put(None)
                    # Made here: a cancel that comes next is for this request, begun or not.
                    self._token = message["token"] = CancelToken()
                    self._requests.put(message)

    def _open_lane(self, sock: socket.socket) -> None:
        if not self._lanes:
            self._lanes.append(threading.main_thread())
            self._first_lane.put(sock)
        elif self._model is not None:
            lane = threading.Thread(target=serve, args=(sock, self._model), daemon=True)
            self._lanes.append(lane)
            lane.start()

    def _load(self, request: Message) -> None:
        if request["memory_bytes"] is not None:
            _limit_memory(request["memory_bytes"])
        with loading(request["plugin"], request["version"]):
            record = discover_one(request["plugin"])
        self._runtime = PluginRuntime(record)

    def _devices(self, request: Message) -> list[Message]:
        found = self._loaded().devices(self._context(request))
        return [device.model_dump(mode="json") for device in found]

    def _work(self, request: Message) -> Message:
        work = WorkRequest.model_validate(request["request"])
        draft = self._loaded().work(work, self._context(request, work.data, work.source))
        return draft.model_dump(mode="json")

    def _sensitivity(self, request: Message) -> Message:
        asked = SensitivityRequest.model_validate(request["request"])
        ctx = self._context(request, asked.data, asked.source)
        return self._loaded().sensitivity(asked, ctx).model_dump(mode="json")

    def _run(self, request: Message) -> Message:
        run = RunRequest.model_validate(request["request"])
        self._model = self._loaded().run(run, self._context(request))
        return {
            "signature": self._model.signature.model_dump(mode="json"),
            "load_seconds": self._model.load_seconds,
        }

    def _close(self, request: Message) -> None:
        for lane in self._lanes:
            if lane is not threading.main_thread():
                lane.join()
        if self._model is not None:
            self._model.close()

    def _context(
        self, request: Message, data: Dataset | None = None, source: Artifact | None = None
    ) -> HookContext:
        self._ctx = HookContext(
            WireSink(self._connection),
            seed=request["seed"],
            threads=request["threads"],
            dataset=data,
            source=source,
            token=request["token"],
        )
        return self._ctx

    def _loaded(self) -> PluginRuntime:
        if self._runtime is None:
            raise ValueError("a hook is called before the plugin is loaded")
        return self._runtime


def _limit_memory(nbytes: int) -> None:
    """Bound the private memory of this process; past it, allocations fail."""
    # Linux counts what is written to (RLIMIT_DATA); elsewhere that is the heap alone.
    kind = resource.RLIMIT_DATA if sys.platform == "linux" else resource.RLIMIT_AS
    resource.setrlimit(kind, (nbytes, nbytes))


def _write_line_by_line() -> None:
    """So that what was printed before a crash, from Python or from C, is not lost in a buffer."""
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(line_buffering=True, errors="backslashreplace")  # type: ignore[union-attr]
    libc = ctypes.CDLL(None)
    for name in ("stdout", "__stdoutp"):  # glibc and musl; macOS
        with contextlib.suppress(ValueError):
            libc.setvbuf(ctypes.c_void_p.in_dll(libc, name), None, _LINE_BUFFERED, 0)


def _flush_output() -> None:
    """So that what a hook printed is with the host before its answer is."""
    with contextlib.suppress(OSError, ValueError):  # the plugin closed them
        sys.stdout.flush()
        sys.stderr.flush()
