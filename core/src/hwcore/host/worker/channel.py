"""One end of a lane: binary frames that carry arrays, one request and then one reply.

A frame is a head of 64 bytes, then arrays (or none, when they lie in a shared segment), then
JSON (the layout when it is new, or an error). Arrays begin at multiples of 64 bytes, and one
read usually takes a whole frame, straight to where the arrays are used.

Most calls are like the one before: a frame like one that was sent is sent again with other
numbers in it, and one like the last received is not taken apart again. Between two computations
this code runs with cold caches, where every line costs several times what it costs in a loop.
"""

from __future__ import annotations

import socket
import struct
from collections import deque
from collections.abc import Hashable
from typing import Final, NamedTuple

import numpy as np

from hwcore.contract import Array, Arrays
from hwcore.host.worker.arena import Segment
from hwcore.host.worker.layout import MAX_KNOWN, Layout, Received, Sent, kind_of
from hwcore.host.worker.wire import CLOSE_ON_EXEC

INLINE: Final = 64 << 10
"""Bytes of arrays that travel in the frame; more goes through a segment."""

_HEAD = struct.Struct("<IBxxxIIqqq")
_HEAD_SIZE: Final = 64
_CAPACITY: Final = _HEAD_SIZE + INLINE + (64 << 10)
_MAX_FRAME: Final = 64 << 20
_FD_SPACE: Final = socket.CMSG_SPACE(struct.calcsize("i"))

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
    """What a frame says."""

    op: int
    layout: Layout | None
    arrays: dict[str, Array] | None
    """Those in the frame, where they lie until the next one; ``None`` where it has none."""
    segment: int
    """Number of the segment with the arrays; 0 when they are in the frame."""
    reply: int
    """Number of the segment that the reply may use; 0 for none."""
    extra: int
    """Of `TIME` the calls, of `NEED` and `ATTACH` the bytes."""
    text: bytes
    """JSON of an `ERROR`, or the numbers of the segments to `FORGET`."""


class Known(NamedTuple):
    """A frame that was sent with its arrays in it, to be sent again with others."""

    layout: Layout
    views: tuple[tuple[str, Array], ...]
    head: bytes
    whole: memoryview


class Channel:
    """Sends and receives frames. Not for several threads at once."""

    def __init__(self, sock: socket.socket, *, takes_fds: bool = False) -> None:
        self.sock = sock
        self._send_all = sock.sendall
        self._receive_into = self._receive_fds if takes_fds else sock.recv_into
        self.fds: deque[int] = deque()
        """Descriptors that came with frames, in order, where ``takes_fds``."""
        self._out = Buffer(_CAPACITY)
        self._in = Buffer(_CAPACITY)
        self._sent = Sent()
        self._received = Received()
        self._last: tuple[int, ...] | None = None
        """The head of the last frame received, when one like it means the same."""
        self._frame = Frame(DONE, None, None, 0, 0, 0, b"")

    def layout_of(self, arrays: Arrays, outputs: tuple[str, ...] | None = None) -> Layout:
        """How ``arrays`` will lie in memory. Raises `TypeError` for arrays of objects."""
        return self._sent.layout(arrays, outputs)

    def send_again(self, arrays: Arrays, outputs: tuple[str, ...] | None = None) -> Layout | None:
        """Send ``arrays`` in a frame whose like was sent before; their layout.

        ``None`` and nothing is sent where there was none: that is `send_arrays`'s work.
        """
        out = self._out
        kind = outputs, tuple([(name, a.dtype, a.shape) for name, a in arrays.items()])  # kind_of
        known = out.known.get(kind)
        if known is None:
            return None
        layout, views, head, whole = known
        for name, view in views:
            view[...] = arrays[name]
        out.bytes[:_HEAD_SIZE] = head
        self._send_all(whole)
        return layout

    def forget(self) -> None:
        """Have `send_again` know nothing."""
        self._out.known.clear()

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
        if text and number == 0:
            self.forget()  # the numbers of other layouts are void
        if op in (CALL, VALUE) and segment is None and reply is None and not text:
            whole = self._out.bytes[: _HEAD_SIZE + payload]
            kind = kind_of(arrays, layout.outputs)
            head = bytes(whole[:_HEAD_SIZE])
            self._out.known[kind] = Known(layout, tuple(views.items()), head, whole)

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
        filled = self._receive_into(self._in.bytes)
        if filled == 0:
            raise _closed()
        while filled < _HEAD_SIZE:
            filled += self._read(filled)
        head = _HEAD.unpack_from(self._in.bytes)
        if head == self._last and filled == _HEAD_SIZE + head[0]:
            return self._frame
        size, op, text_size, number, segment, reply, extra = head
        end = _HEAD_SIZE + size
        if end > _MAX_FRAME:
            raise ValueError(f"a frame of {end} bytes")
        self._in.grow(end)
        while filled < end:
            filled += self._read(filled)
        text = bytes(self._in.bytes[end - text_size : end]) if text_size else b""
        layout = arrays = None
        if op in (CALL, TIME, VALUE):
            layout = self._received.add(number, text) if text else self._received[number]
            if not segment:
                arrays = self._in.views(layout)
        self._last = None if text else head
        self._frame = Frame(op, layout, arrays, segment, reply, extra, text)
        return self._frame

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
        count = self._receive_into(self._in.bytes[start:])
        if count == 0:
            raise _closed()
        return count

    def _receive_fds(self, memory: memoryview) -> int:
        count, ancillary, _, _ = self.sock.recvmsg_into([memory], _FD_SPACE, CLOSE_ON_EXEC)
        for _, _, data in ancillary:
            self.fds.append(struct.unpack("i", data)[0])
        return count


def _closed() -> EOFError:
    return EOFError("the other end of the lane is closed")


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
        self.known: dict[Hashable, Known] = {}
        """Frames to be sent again, by kind of arrays."""
        self._views: dict[Layout, dict[str, Array]] = {}


def _number(segment: Segment | None) -> int:
    return segment.number if segment else 0
