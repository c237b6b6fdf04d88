"""Messages between a host and its worker: JSON objects behind a length, over a Unix socket.

Nothing here is pickled, and neither side assumes that the other has the same packages.
"""

from __future__ import annotations

import json
import socket
import struct
import threading
from collections import deque
from typing import Any, Final

from hwcore.contract import errors
from hwcore.contract.errors import HwcoreError, PluginError
from hwcore.host.faults import LoadFailed

WIRE_VERSION: Final = 2
"""Both sides must have the same: the worker's interpreter may have another hwcore."""

_LENGTH = struct.Struct("<I")
_MAX_MESSAGE = 64 << 20
_MAX_DETAILS = 30_000
_FDS_PER_READ = 8

CLOSE_ON_EXEC: Final = getattr(socket, "MSG_CMSG_CLOEXEC", 0)
"""Linux: descriptors that are received do not leak into programs the plugin starts."""

Message = dict[str, Any]


class MessageTooLong(ValueError):
    """A message that the other end would refuse."""

    def __init__(self, nbytes: int) -> None:
        super().__init__(f"{nbytes >> 20} MiB in one message; at most {_MAX_MESSAGE >> 20} go")


class Connection:
    """One end of the socket. One thread receives; any thread may send."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.fds: deque[int] = deque()
        """File descriptors that came with messages, in order."""
        self._buffer = bytearray()
        self._lock = threading.Lock()

    def send(self, message: Message, fds: tuple[int, ...] = ()) -> None:
        """Send a message, and duplicates of ``fds``.

        Raises `OSError` when the peer is gone, `MessageTooLong` before anything is sent.
        """
        body = json.dumps(message).encode()
        if len(body) > _MAX_MESSAGE:
            raise MessageTooLong(len(body))
        data = memoryview(_LENGTH.pack(len(body)) + body)
        with self._lock:
            sent = socket.send_fds(self.sock, [data], fds) if fds else 0
            self.sock.sendall(data[sent:])

    def receive(self) -> list[Message] | None:
        """The messages that one read completes, maybe none; ``None`` once the peer is gone."""
        try:
            data, fds, _, _ = socket.recv_fds(self.sock, 1 << 16, _FDS_PER_READ, CLOSE_ON_EXEC)
        except ConnectionError:
            return None
        if not data:
            return None
        self.fds.extend(fds)
        self._buffer += data
        return self._complete()

    def _complete(self) -> list[Message]:
        messages: list[Message] = []
        while len(self._buffer) >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(self._buffer)
            if length > _MAX_MESSAGE:
                raise MessageTooLong(length)
            end = _LENGTH.size + length
            if len(self._buffer) < end:
                break
            messages.append(json.loads(self._buffer[_LENGTH.size : end]))
            del self._buffer[:end]
        return messages

    def close(self) -> None:
        """Close this end."""
        self.sock.close()


_KINDS: dict[str, type[HwcoreError]] = {
    kind.__name__: kind
    for kind in (*(getattr(errors, name) for name in dir(errors)), LoadFailed)
    if isinstance(kind, type) and issubclass(kind, HwcoreError)
}


def encode_error(error: HwcoreError) -> Message:
    """An error of our tree; a subclass that a plugin made becomes its nearest class of ours."""
    kind = next(cls.__name__ for cls in type(error).__mro__ if cls.__name__ in _KINDS)
    if not isinstance(error, PluginError):
        return {"kind": kind, "message": error.message, "hint": error.hint}
    return {
        "kind": kind,
        "message": error.reason,
        "plugin": error.plugin,
        "version": error.version,
        "hook": error.hook,
        "hint": error.hint,
        "details": (error.details or "")[-_MAX_DETAILS:] or None,
    }


def decode_error(message: Message) -> HwcoreError:
    """The error that `encode_error` was given."""
    fields = dict(message)
    kind = _KINDS[fields.pop("kind")]
    return kind(fields.pop("message"), **fields)
