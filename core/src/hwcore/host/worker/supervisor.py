"""The process between a host and a worker, which lets nothing outlive the host.

It runs as a script, forks the worker before anything else is imported, and then only waits:
for the host to hang up (closing the lifeline, or dying, however suddenly) or for the worker to
end. Either way it kills all that is left of the worker and of the processes it started, and
tells the host the worker's exit status. It imports nothing of ours: the interpreter may be
another environment's.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import struct
import sys
import time
from collections.abc import Callable

_PR_SET_PDEATHSIG = 1  # prctl(2), Linux
_PR_SET_CHILD_SUBREAPER = 36
_OOM_SCORE_ADJ = 500  # so that the kernel, short of memory, takes the worker and not the host
_CLEANUP_SECONDS = 5.0


def main(control: int, lifeline: int, status: int) -> None:
    """Fork the worker, watch it, clean up. The arguments are inherited file descriptors."""
    for fd in (control, lifeline, status):
        os.set_inheritable(fd, False)  # it was, to get here
    prctl = _prctl()
    # Orphans among the worker's descendants become children of this process, not of init.
    prctl(_PR_SET_CHILD_SUBREAPER, 1)
    me = os.getpid()
    worker = os.fork()
    if worker == 0:
        os.close(lifeline)
        os.close(status)
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != me:
            os._exit(1)  # the supervisor was gone before the line above
        _become_worker(control)
        return
    os.close(control)
    with contextlib.suppress(PermissionError):  # the worker has done it, and gone on
        os.setpgid(worker, worker)
    exit_status = _watch(worker, lifeline)
    exit_status = _clean_up(worker, exit_status)
    with contextlib.suppress(BrokenPipeError):  # the host is gone
        os.write(status, struct.pack("<i", exit_status))


def _become_worker(control: int) -> None:
    os.setpgid(0, 0)
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:  # noqa: PTH123
        file.write(str(_OOM_SCORE_ADJ))
    sys.argv = ["hwcore-worker"]
    from hwcore.host.worker.server import main as serve

    serve(control)


def _watch(worker: int, lifeline: int) -> int | None:
    """Wait. Gives the worker's wait status, or ``None`` when it is the host that has gone."""
    wake_read, wake_write = os.pipe()
    os.set_blocking(wake_write, False)
    for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(number, lambda number, frame: None)
    signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
    while True:
        status = _reap(worker)
        if status is not None:
            return status
        readable, _, _ = select.select([lifeline, wake_read], [], [])
        if lifeline in readable:
            return None
        woken_by = set(os.read(wake_read, 512))
        if woken_by & {signal.SIGTERM, signal.SIGHUP}:
            return None


def _clean_up(worker: int, status: int | None) -> int:
    """Kill what is left until nothing is; give the worker's wait status."""
    end = time.monotonic() + _CLEANUP_SECONDS
    while time.monotonic() < end:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(worker, signal.SIGKILL)
        for child in _children():
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(child, signal.SIGKILL)
        try:
            pid, ended = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            break
        if pid == worker:
            status = ended
        if pid == 0:
            time.sleep(0.001)
    return signal.SIGKILL if status is None else status


def _reap(worker: int) -> int | None:
    """Collect every child that has ended; the worker's wait status if it was among them."""
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return None
        if pid == worker:
            return status
        if pid == 0:
            return None


def _children() -> list[int]:
    """This process's children, where ``/proc`` tells."""
    me = os.getpid()
    try:
        with open(f"/proc/{me}/task/{me}/children") as file:  # noqa: PTH123
            return [int(pid) for pid in file.read().split()]
    except OSError:  # a kernel without that file, or no Linux
        return [pid for pid in _processes() if _parent_of(pid) == me]


def _processes() -> list[int]:
    try:
        with os.scandir("/proc") as entries:
            return [int(entry.name) for entry in entries if entry.name.isdecimal()]
    except OSError:
        return []


def _parent_of(pid: int) -> int | None:
    try:
        with open(f"/proc/{pid}/stat") as file:  # noqa: PTH123
            return int(file.read().rpartition(")")[2].split()[1])
    except OSError:  # it has ended
        return None


def _prctl() -> Callable[[int, int], int]:
    """Linux's ``prctl``; elsewhere a function that does nothing."""
    if sys.platform != "linux":
        return lambda option, value: 0
    import ctypes

    prctl: Callable[[int, int], int] = ctypes.CDLL(None).prctl
    return prctl


if __name__ == "__main__":
    main(*map(int, sys.argv[1:4]))
