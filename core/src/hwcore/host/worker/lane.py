"""The host's end of a lane: one call of a model at a time, on the caller's own thread."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import time
import weakref
from collections.abc import Sequence

import numpy as np

from hwcore.contract import Array, Arrays
from hwcore.host.worker import channel as wire
from hwcore.host.worker.arena import Arena, Segment
from hwcore.host.worker.channel import INLINE, Channel, Frame
from hwcore.host.worker.layout import MAX_KNOWN, Layout
from hwcore.host.worker.wire import decode_error


class Lane:
    """A socket of its own to the worker, where a thread of its own answers.

    So calls from several threads run at once, and no call waits for a thread that hands its
    answer on. Small arrays travel in the frame, large ones through shared memory: the worker
    copies its outputs there once, and the caller is given arrays over that memory, which is
    not used again before the last of them is gone. A caller that holds many is given copies.
    """

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self._channel = Channel(sock)
        self._arena = Arena()
        self._reply_sizes: dict[Layout, int] = {}

    def call(self, inputs: Arrays, outputs: tuple[str, ...] | None) -> dict[str, Array]:
        """One call. Raises what the runner raised, and `EOFError` when the worker is gone."""
        channel = self._channel
        layout = channel.send_again(inputs, outputs)
        if layout is None:
            return self._request(wire.CALL, inputs, outputs, 0)
        frame = channel.receive()
        if frame.op == wire.VALUE and frame.arrays is not None:
            return {name: array.copy() for name, array in frame.arrays.items()}
        return self._settle(frame, layout, None)

    def time_calls(self, inputs: Sequence[Arrays], calls: int) -> list[int]:
        """Nanoseconds of each call, looped in the worker."""
        arrays = {f"{i}:{name}": a for i, each in enumerate(inputs) for name, a in each.items()}
        result = self._request(wire.TIME, arrays, None, calls)
        nanoseconds: list[int] = result["nanoseconds"].tolist()
        return nanoseconds

    def hang_up(self) -> None:
        """End it, from any thread: a call in flight raises `EOFError`."""
        with contextlib.suppress(OSError):  # the worker was faster
            self.sock.shutdown(socket.SHUT_RDWR)

    def outlived(self, seconds: float) -> bool:
        """After a call that was broken off: true when the worker is done with it in that time.

        The lane is not to be used any more but for `close`.
        """
        end = time.monotonic() + seconds
        try:
            self.sock.shutdown(socket.SHUT_WR)
            while (left := end - time.monotonic()) > 0:
                self.sock.settimeout(left)
                if not self.sock.recv(1 << 16):
                    return True
        except OSError:  # too late, or the worker is gone
            pass
        return False

    def close(self) -> None:
        """Free its memory. Arrays that were returned live on."""
        self._channel.close()

    def _request(
        self, op: int, arrays: Arrays, outputs: tuple[str, ...] | None, extra: int
    ) -> dict[str, Array]:
        channel = self._channel
        unused = self._arena.surplus()
        if unused:
            channel.send(wire.FORGET, text=json.dumps([s.number for s in unused]).encode())
            self._done()
        layout = channel.layout_of(arrays, outputs)
        source = self._segment(layout.nbytes)
        target = self._segment(self._reply_sizes.get(layout, 0))
        channel.send_arrays(op, arrays, layout, segment=source, reply=target, extra=extra)
        try:
            return self._settle(channel.receive(), layout, target)
        finally:
            if source:
                self._arena.release(source)

    def _settle(self, frame: Frame, layout: Layout, target: Segment | None) -> dict[str, Array]:
        """What a frame that answers ``layout`` brings; ``target`` was lent for it."""
        if target and not frame.segment:
            self._arena.release(target)
        if frame.op == wire.NEED:
            if len(self._reply_sizes) >= MAX_KNOWN:
                self._reply_sizes.clear()
            self._reply_sizes[layout] = frame.extra
            self._channel.forget()  # what is sent from now on names memory for the reply
            target = self._segment(frame.extra)
            self._channel.send(wire.FETCH, reply=target)
            frame = self._channel.receive()
        if frame.op == wire.ERROR:
            raise decode_error(json.loads(frame.text))
        if frame.op != wire.VALUE or frame.layout is None:
            raise ValueError(f"a frame of kind {frame.op}")
        if frame.arrays is not None:
            return {name: array.copy() for name, array in frame.arrays.items()}
        if target is None:
            raise ValueError("a reply in memory that was not lent")
        if not self._arena.lend(target):
            copies = {name: a.copy() for name, a in frame.layout.views(target.memory).items()}
            self._arena.release(target)
            return copies
        # Every array over the segment has this one as its base, and keeps it alive.
        whole = np.frombuffer(target.memory, np.uint8)
        weakref.finalize(whole, self._arena.release, target).atexit = False
        return frame.layout.views(whole)

    def _segment(self, nbytes: int) -> Segment | None:
        """Shared memory for so many bytes; ``None`` when they fit into a frame."""
        if nbytes <= INLINE:
            return None
        segment = self._arena.reuse(nbytes)
        if segment is None:
            segment, fd = self._arena.create(nbytes)
            try:
                self._channel.send_segment(wire.ATTACH, segment, fd)
            finally:
                os.close(fd)
            self._done()
        return segment

    def _done(self) -> None:
        frame = self._channel.receive()
        if frame.op != wire.DONE:
            raise ValueError(f"a frame of kind {frame.op}")
