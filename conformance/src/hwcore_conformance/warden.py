"""The process between the suite and the room of its checks, which lets nothing outlive the run.

``python -m hwcore_conformance.warden LIFELINE REQUESTS ANSWERS SETTINGS`` forks the room before
anything else is imported. It waits for the room to end, or for the suite to hang up: by closing
the lifeline, or by dying. Then it kills whatever the plugin has left, and ends as the room did.
"""

from __future__ import annotations

import contextlib
import os
import resource
import select
import signal
import sys
import time
from collections.abc import Callable

PR_SET_PDEATHSIG = 1  # prctl(2), Linux
PR_SET_CHILD_SUBREAPER = 36
CLEANUP_SECONDS = 5.0


def main(lifeline: int, requests: int, answers: int, settings: str) -> None:
    """Fork the room, watch it, clean up. The numbers are inherited file descriptors."""
    for descriptor in (lifeline, requests, answers):
        os.set_inheritable(descriptor, False)  # it was, to get here
    prctl = _prctl()
    prctl(PR_SET_CHILD_SUBREAPER, 1)  # the room's orphans become this process's children
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    me, room = os.getpid(), os.fork()
    if room == 0:
        os.close(lifeline)
        os.setsid()  # a plugin that kills its process group kills no more than the room
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        prctl(PR_SET_CHILD_SUBREAPER, 1)  # so that a check sees orphans
        if os.getppid() == me:  # else the warden was gone before the lines above
            from hwcore_conformance.room import main as answer

            answer(requests, answers, settings)
        return
    os.close(requests)
    os.close(answers)
    status = _watch(room, lifeline)
    status = _clean_up(room, status)
    if os.WIFSIGNALED(status):
        with contextlib.suppress(OSError):  # of SIGKILL it is for ever
            signal.signal(os.WTERMSIG(status), signal.SIG_DFL)
        os.kill(os.getpid(), os.WTERMSIG(status))
    os._exit(os.waitstatus_to_exitcode(status))


def _watch(room: int, lifeline: int) -> int | None:
    """Wait. Gives the room's wait status, or ``None`` when it is the suite that has gone."""
    wake, woken = os.pipe()
    os.set_blocking(woken, False)
    for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(number, lambda number, frame: None)
    signal.set_wakeup_fd(woken, warn_on_full_buffer=False)
    while True:
        with contextlib.suppress(ChildProcessError):
            while True:
                ended, status = os.waitpid(-1, os.WNOHANG)
                if ended == room:
                    return status
                if ended == 0:
                    break
        readable, _, _ = select.select([lifeline, wake], [], [])
        if lifeline in readable or set(os.read(wake, 512)) & {signal.SIGTERM, signal.SIGHUP}:
            return None


def _clean_up(room: int, status: int | None) -> int:
    """Kill what is left until nothing is; give the room's wait status."""
    deadline = time.monotonic() + CLEANUP_SECONDS
    while time.monotonic() < deadline:
        for child in _children():
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(child, signal.SIGKILL)
        if status is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(room, signal.SIGKILL)
        try:
            ended, found = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            break
        if ended == room:
            status = found
        if ended == 0:
            time.sleep(0.001)
    return signal.SIGKILL if status is None else status


def _children() -> list[int]:
    """This process's children, where ``/proc`` tells."""
    me = os.getpid()
    try:
        with open(f"/proc/{me}/task/{me}/children") as file:  # noqa: PTH123 - nothing is imported
            return [int(pid) for pid in file.read().split()]
    except OSError:
        return []


def _prctl() -> Callable[[int, int], int]:
    """Linux's ``prctl``; elsewhere a function that does nothing."""
    if sys.platform != "linux":
        return lambda option, value: 0
    import ctypes

    libc = ctypes.CDLL(None)
    return lambda option, value: int(libc.prctl(option, value, 0, 0, 0))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4])
