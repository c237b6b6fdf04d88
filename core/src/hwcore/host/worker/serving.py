"""The worker's end of a lane: answers calls of the loaded model until the host hangs up."""

from __future__ import annotations

import json
import os
import socket

import numpy as np

from hwcore.contract import Array, Arrays, HwcoreError
from hwcore.host.hosted import HostedModel
from hwcore.host.worker import channel as wire
from hwcore.host.worker.arena import Segment
from hwcore.host.worker.channel import INLINE, Channel, Frame
from hwcore.host.worker.wire import encode_error


def serve(sock: socket.socket, model: HostedModel) -> None:
    """Answer until the other end is closed."""
    _Server(sock, model).serve()


class _Server:
    def __init__(self, sock: socket.socket, model: HostedModel) -> None:
        self._channel = Channel(sock, takes_fds=True)
        self._model = model
        self._segments: dict[int, Segment] = {}
        self._waiting: Arrays = {}
        """Outputs that wait for the host to give memory that holds them."""

    def serve(self) -> None:
        try:
            while True:
                frame = self._channel.receive()
                if frame.op == wire.CALL:
                    self._call(frame)
                else:
                    self._answer(frame)
        except (EOFError, ConnectionError):
            pass  # the host hung up: that is how a lane ends
        finally:
            self._channel.close()

    def _call(self, frame: Frame) -> None:
        layout = frame.layout
        if layout is None:
            raise ValueError("a call without arrays")
        try:
            outputs = self._model(frame.arrays or self._inputs(frame), layout.outputs)
            if self._channel.send_again(outputs) is None:
                self._reply(outputs, frame.reply)
        except HwcoreError as error:
            self._refuse(error)

    def _answer(self, frame: Frame) -> None:
        if frame.op == wire.TIME:
            try:
                self._reply(self._time(frame), frame.reply)
            except HwcoreError as error:
                self._refuse(error)
        elif frame.op == wire.FETCH:
            waiting, self._waiting = self._waiting, {}
            self._reply(waiting, frame.reply)
        elif frame.op == wire.ATTACH:
            fd = self._channel.fds.popleft()
            self._segments[frame.segment] = Segment(frame.segment, fd, frame.extra)
            os.close(fd)
            self._channel.send(wire.DONE)
        elif frame.op == wire.FORGET:
            for number in json.loads(frame.text):
                del self._segments[number]
            self._channel.send(wire.DONE)
        else:
            raise ValueError(f"a frame of kind {frame.op}")

    def _inputs(self, frame: Frame) -> Arrays:
        if frame.layout is None:
            raise ValueError("a call without arrays")
        if frame.arrays is not None:
            return frame.arrays
        return frame.layout.views(self._segments[frame.segment].memory)

    def _time(self, frame: Frame) -> Arrays:
        batches: dict[str, dict[str, Array]] = {}
        for name, array in self._inputs(frame).items():
            number, _, input_name = name.partition(":")
            batches.setdefault(number, {})[input_name] = array
        nanoseconds = self._model.time_calls(list(batches.values()), frame.extra)
        return {"nanoseconds": np.array(nanoseconds, np.int64)}

    def _refuse(self, error: HwcoreError) -> None:
        self._channel.send(wire.ERROR, text=json.dumps(encode_error(error)).encode())

    def _reply(self, outputs: Arrays, segment_number: int) -> None:
        """Send outputs in the frame, in the segment, or say how large a segment they need."""
        try:
            layout = self._channel.layout_of(outputs)
        except TypeError as error:
            raise self._model.fault(
                f"its runner returned what is no array of numbers: {error}"
            ) from error
        if layout.nbytes <= INLINE:
            self._channel.send_arrays(wire.VALUE, outputs, layout)
            return
        segment = self._segments.get(segment_number)
        if segment is None or segment.size < layout.nbytes:
            self._waiting = outputs
            self._channel.send(wire.NEED, extra=layout.nbytes)
            return
        self._channel.send_arrays(wire.VALUE, outputs, layout, segment=segment)
