"""A model in a worker of its own, as the host calls it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import TypeVar

from hwcore.contract import Array, Arrays, Cancelled, HwcoreError, Signature, UserError
from hwcore.host.worker.lane import Lane
from hwcore.host.worker.worker import Worker

T = TypeVar("T")


class WorkerModel:
    """A `hwcore.host.door.ModelHandle`. Each call takes a free lane, or opens one more."""

    def __init__(
        self, worker: Worker, signature: Signature, load_seconds: float, seconds: float | None
    ) -> None:
        """``seconds`` is how long one call may take before the worker is killed."""
        self.signature = signature
        self.load_seconds = load_seconds
        self._worker = worker
        self._process = worker.process
        self._seconds = seconds
        self._lock = threading.Lock()
        self._idle: list[Lane] = []
        self._busy: set[Lane] = set()
        self._stopping: set[Lane] = set()
        self._closed = False

    def __call__(self, inputs: Arrays, outputs: Sequence[str] | None = None) -> dict[str, Array]:
        wanted = None if outputs is None else tuple(outputs)
        return self._on_a_lane(Lane.call, self._seconds, inputs, wanted)

    def time_calls(self, inputs: Sequence[Arrays], calls: int) -> list[int]:
        """Nanoseconds of each call, looped in the worker."""
        seconds = None if self._seconds is None else self._seconds * calls
        return self._on_a_lane(Lane.time_calls, seconds, inputs, calls)

    def peak_rss(self) -> int:
        """Most bytes that were ever resident in the worker."""
        return self._worker.peak_rss()

    def cancel(self) -> None:
        """Ask calls in flight to stop; kill the worker if they do not within the grace."""
        with self._lock:
            self._stopping |= self._busy
            stopping = set(self._stopping)
        if not stopping:
            return
        self._worker.ask_to_stop()
        timer = threading.Timer(self._worker.grace, self._kill_if_busy, [stopping])
        timer.daemon = True
        timer.start()

    def close(self) -> None:
        """End calls in flight, the model and its worker. Doing so again does nothing."""
        with self._lock:
            if self._closed or self._worker.foreign:
                return
            self._closed = True
            idle, busy = self._idle, list(self._busy)
            self._idle = []
        for lane in busy:
            lane.hang_up()
        for lane in idle:
            lane.close()
        self._worker.close()

    def _on_a_lane(self, call: Callable[..., T], seconds: float | None, *args: object) -> T:
        lane = self._take()
        try:
            if seconds is not None:
                lane.sock.settimeout(seconds)
            result = call(lane, *args)
        except HwcoreError:
            self._give_back(lane)
            raise
        except TimeoutError as error:
            self._worker.kill("late")
            raise self._lost(lane) from error
        except (EOFError, ConnectionError) as error:
            raise self._lost(lane) from error
        except BaseException:
            self._break_off(lane)
            raise
        self._give_back(lane)
        return result

    def _take(self) -> Lane:
        if self._process.foreign:
            raise UserError(
                "the model belongs to the process that this one was forked from",
                hint="Load the model in the process that calls it.",
            )
        with self._lock:
            if self._idle:
                lane = self._idle.pop()
                self._busy.add(lane)
                return lane
        lane = Lane(self._worker.open_lane())
        with self._lock:
            self._busy.add(lane)
        return lane

    def _give_back(self, lane: Lane) -> None:
        """Raises `Cancelled` when the call was to stop."""
        with self._lock:
            if not self._stopping and not self._closed:
                self._busy.discard(lane)
                self._idle.append(lane)
                return
            cancelled = lane in self._stopping
            self._forget(lane)
            resume = cancelled and not self._stopping
            closed = self._closed
            if not closed:
                self._idle.append(lane)
        if closed:
            lane.close()
        if resume:
            self._worker.resume()
        if cancelled:
            raise Cancelled("the call was cancelled")

    def _lost(self, lane: Lane) -> HwcoreError:
        """The error for a call whose lane ended in the middle of it."""
        with self._lock:
            self._forget(lane)
            closed = self._closed
        lane.close()
        if closed:
            return UserError(
                "the model was closed during the call", hint="Close it after the last call."
            )
        return self._worker.fault("run")

    def _break_off(self, lane: Lane) -> None:
        """After Ctrl-C in the middle of a call: the lane is of no more use; the worker may be."""
        with self._lock:
            self._forget(lane)
        self._worker.ask_to_stop()
        if lane.outlived(self._worker.grace):
            self._worker.resume()
        else:
            self._worker.kill("cancelled")
        lane.close()

    def _forget(self, lane: Lane) -> None:
        self._busy.discard(lane)
        self._stopping.discard(lane)

    def _kill_if_busy(self, lanes: set[Lane]) -> None:
        with self._lock:
            late = lanes & self._stopping & self._busy
        if late:
            self._worker.kill("cancelled")
