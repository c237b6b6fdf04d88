"""A worker's processes, seen from the host: start them, watch them, end them."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
import weakref
from collections.abc import Mapping
from pathlib import Path

from hwcore.contract import UserError
from hwcore.host.worker.wire import Connection

_SUPERVISOR = Path(__file__).with_name("supervisor.py")


class WorkerProcess:
    """A supervisor and the worker it forks, with the pipes that lead to them.

    Once the lifeline is closed, by `kill` or because this process has ended in whatever way,
    the supervisor kills the worker and all its descendants.
    """

    def __init__(self, interpreter: str, environment: Mapping[str, str]) -> None:
        """Raises `UserError` when the interpreter cannot be started."""
        ours, theirs = socket.socketpair()
        lifeline_read, self._lifeline = os.pipe()
        self.status_fd, status_write = os.pipe()
        self.output_fd, output_write = os.pipe()
        os.set_blocking(self.output_fd, False)
        fds = (theirs.fileno(), lifeline_read, status_write)
        try:
            self._supervisor = subprocess.Popen(
                # -P: neither the script's folder nor the working directory is on sys.path.
                [interpreter, "-P", str(_SUPERVISOR), *map(str, fds)],
                stdin=subprocess.DEVNULL,
                stdout=output_write,
                stderr=output_write,
                env=environment,
                pass_fds=fds,
                start_new_session=True,
            )
        except OSError as error:
            ours.close()
            for fd in (self._lifeline, self.status_fd, self.output_fd):
                os.close(fd)
            raise UserError(
                f"the worker's interpreter {interpreter} cannot be started: {error.strerror}",
                hint="Give the path of a Python with hwcore and the plugin.",
            ) from error
        finally:
            theirs.close()
            for fd in (lifeline_read, status_write, output_write):
                os.close(fd)
        self.connection = Connection(ours)
        self.pid: int | None = None
        """The worker's process id, once it has said hello; also its process group."""
        self.foreign = False
        """True in a fork of the host, which has no business with the host's workers."""
        self._lock = threading.Lock()
        self._open = True
        _living.add(self)

    def kill(self) -> None:
        """Have it and all its descendants killed; returns at once. Again does nothing."""
        with self._lock:
            if self._open:
                self._open = False
                os.close(self._lifeline)

    def reap(self) -> int | None:
        """Wait for the supervisor, whose last word is the worker's wait status.

        To be called when ``status_fd`` is readable. ``None`` when the supervisor was killed:
        then the worker is, too, and what it had started is killed here.
        """
        data = os.read(self.status_fd, 4)
        self.kill()
        self._supervisor.wait()
        if len(data) == 4:
            status: int = struct.unpack("<i", data)[0]
            return status
        if self.pid is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, signal.SIGKILL)
        return None

    def close(self) -> None:
        """Close the pipes."""
        self.kill()
        _living.discard(self)
        self.connection.close()
        os.close(self.status_fd)
        os.close(self.output_fd)

    def disown(self) -> None:
        """In a fork of the host: let go of the lifeline, so that the host's end is the only one."""
        self.foreign = True
        if self._open:
            self._open = False
            os.close(self._lifeline)


_living: weakref.WeakSet[WorkerProcess] = weakref.WeakSet()


def _disown_all() -> None:
    for process in list(_living):
        process.disown()


if sys.platform != "win32":
    os.register_at_fork(after_in_child=_disown_all)
