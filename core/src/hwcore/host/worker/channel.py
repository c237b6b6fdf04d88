"""One end of a lane: binary frames that carry arrays, one request and then one reply.

A frame is a head of 64 bytes, then arrays (or none, when they lie in a shared segment), then
JSON (the layout when it is new, or an error). Arrays begin at multiples of 64 bytes, and one
read usually takes a whole frame, straight to where the arrays are used.
"""

from __future__ import annotations

import socket
import struct
from collections import deque
from typing import Final, NamedTuple

import numpy as np

from hwcore.contract import Array, Arrays
from hwcore.host.worker.arena import Segment
from hwcore.host.worker.layout import MAX_KNOWN, Layout, Received, Sent
from hwcore.host.worker.wire import CLOSE_ON_EXEC

INLINE: Final = 64 << 10
"""Bytes of arrays that travel in the frame; more goes through a segment."""

_HEAD = struct.Struct("<IBxxxIIqqq")
_HEAD_SIZE: Final = 64
_CAPACITY: Final = _HEAD_SIZE + INLINE + (64 << 10)
_MAX_FRAME: Final = 64 << 20

# Requests.
CALL: Final = 1
TIME: Final = 2
FETCH: Final = 3
ATTACH: Final = 4
FORGET: Final = 5
# Replies.
VALUE: Final = 10
NEED: Final = 11
ERROR: Final = 12
DONE: Final = 13


class Frame(NamedTuple):
    """What a frame says; its arrays and JSON lie in the channel's buffer until the next one."""

    op: int
    layout: Layout | None
    segment: int
    """Number of the segment with the arrays; 0 when they are in the frame."""
    reply: int
    """Number of the segment that the reply may use; 0 for none."""
    extra: int
    """Of `TIME` the calls, of `NEED` and `ATTACH` the bytes."""
    text: bytes
    """JSON of an `ERROR`, or the numbers of the segments to `FORGET`."""


class Channel:
    """Sends and receives frames. Not for several threads at once."""

    def __init__(self, sock: socket.socket, *, takes_fds: bool = False) -> None:
        self.sock = sock
        self.fds: deque[int] = deque()
        """Descriptors that came with frames, in order, where ``takes_fds``."""
        self._ancillary = socket.CMSG_SPACE(struct.calcsize("i")) if takes_fds else 0
        self._out = Buffer(_CAPACITY)
        self._in = Buffer(_CAPACITY)
        self._sent = Sent()
        self._received = Received()

    def layout_of(self, arrays: Arrays, outputs: tuple[str, ...] | None = None) -> Layout:
        """How ``arrays`` will lie in memory. Raises `TypeError` for arrays of objects."""
        return self._sent.layout(arrays, outputs)

    def send_arrays(
        self,
        op: int,
        arrays: Arrays,
        layout: Layout,
        *,
        segment: Segment | None = None,
        reply: Segment | None = None,
        extra: int = 0,
    ) -> None:
        """Copy ``arrays`` into ``segment``, or into the frame when there is none; send it."""
        number, text = self._sent.number(layout)
        if segment is None:
            views, payload = self._out.views(layout), layout.nbytes
        else:
            views, payload = layout.views(segment.memory), 0
        for name, view in views.items():
            view[...] = arrays[name]
        self._send(op, payload, text, number, _number(segment), _number(reply), extra)

    def send(
        self,
        op: int,
        *,
        text: bytes = b"",
        segment: Segment | None = None,
        reply: Segment | None = None,
        extra: int = 0,
    ) -> None:
        """Send a frame without arrays."""
        self._send(op, 0, text, 0, _number(segment), _number(reply), extra)

    def send_segment(self, op: int, segment: Segment, fd: int) -> None:
        """Send a frame without arrays and a duplicate of the segment's file descriptor."""
        self._out.head(0, op, 0, 0, segment.number, 0, segment.size)
        sent = socket.send_fds(self.sock, [self._out.bytes[:_HEAD_SIZE]], [fd])
        self.sock.sendall(self._out.bytes[sent:_HEAD_SIZE])

    def receive(self) -> Frame:
        """The next frame. Raises `EOFError` when the peer is gone."""
        filled = self._read(0)
        while filled < _HEAD_SIZE:
            filled += self._read(filled)
        size, op, text_size, number, segment, reply, extra = _HEAD.unpack_from(self._in.bytes)
        end = _HEAD_SIZE + size
        if end > _MAX_FRAME:
            raise ValueError(f"a frame of {end} bytes")
        self._in.grow(end)
        while filled < end:
            filled += self._read(filled)
        text = bytes(self._in.bytes[end - text_size : end]) if text_size else b""
        layout = None
        if op in (CALL, TIME, VALUE):
            layout = self._received.add(number, text) if text else self._received[number]
        return Frame(op, layout, segment, reply, extra, text)

    def inline(self, layout: Layout) -> dict[str, Array]:
        """The arrays of the last frame received, where they lie until the next one."""
        return self._in.views(layout)

    def close(self) -> None:
        """Close this end."""
        self.sock.close()

    def _send(
        self, op: int, payload: int, text: bytes, number: int, segment: int, reply: int, extra: int
    ) -> None:
        start = _HEAD_SIZE + payload
        end = start + len(text)
        self._out.grow(end)
        if text:
            self._out.bytes[start:end] = text
        self._out.head(end - _HEAD_SIZE, op, len(text), number, segment, reply, extra)
        self.sock.sendall(self._out.bytes[:end])

    def _read(self, start: int) -> int:
        rest = self._in.bytes[start:]
        if self._ancillary:
            count, ancillary, _, _ = self.sock.recvmsg_into([rest], self._ancillary, CLOSE_ON_EXEC)
            for _, _, data in ancillary:
                self.fds.append(struct.unpack("i", data)[0])
        else:
            count = self.sock.recv_into(rest)
        if count == 0:
            raise EOFError("the other end of the lane is closed")
        return count


class Buffer:
    """Aligned memory for one frame, and the array views over it, made once for each layout."""

    def __init__(self, size: int) -> None:
        self._allocate(size)

    def head(self, *fields: int) -> None:
        """Write the frame's head."""
        _HEAD.pack_into(self.bytes, 0, *fields)

    def views(self, layout: Layout) -> dict[str, Array]:
        """The arrays of a frame with this layout."""
        views = self._views.get(layout)
        if views is None:
            if len(self._views) >= MAX_KNOWN:
                self._views.clear()
            views = self._views[layout] = layout.views(self._memory, _HEAD_SIZE)
        return views

    def grow(self, size: int) -> None:
        """Make room for ``size`` bytes, keeping what is there."""
        if size > len(self.bytes):
            old = self.bytes
            self._allocate(size)
            self.bytes[: len(old)] = old

    def _allocate(self, size: int) -> None:
        raw = np.empty(size + _HEAD_SIZE, np.uint8)
        start = -raw.ctypes.data % _HEAD_SIZE
        self._memory = raw[start : start + size]
        self.bytes = self._memory.data
        self._views: dict[Layout, dict[str, Array]] = {}


def _number(segment: Segment | None) -> int:
    return segment.number if segment else 0
