"""What code does beside what it returns: files, connections, processes, output, settings."""

from __future__ import annotations

import contextlib
import locale
import logging
import os
import signal
import socket
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import psutil

WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
HARMLESS = (
    *("/dev/fd/", "/dev/full", "/dev/null", "/dev/pts/", "/dev/random", "/dev/tty"),
    *("/dev/urandom", "/dev/zero", "/proc/", "/sys/"),
)
CHANGES = frozenset(
    {
        "os.chmod",
        "os.link",
        "os.mkdir",
        "os.remove",
        "os.rename",
        "os.rmdir",
        "os.symlink",
        "os.truncate",
        "os.utime",
    }
)
LOOKUPS = frozenset({"socket.getaddrinfo", "socket.gethostbyaddr", "socket.gethostbyname"})
TALKS = frozenset({"socket.connect", "socket.sendmsg", "socket.sendto"})
STARTS = frozenset({"subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.fork"})
HELPERS = (
    "from multiprocessing.resource_tracker import main",
    "from multiprocessing.forkserver import main",
)
"""Processes of Python's own that live as long as the one that uses them."""
SHARED = frozenset(
    {
        "CUDA_VISIBLE_DEVICES",
        "KMP_AFFINITY",
        "LD_LIBRARY_PATH",
        "MKL_NUM_THREADS",
        "OMP_NUM_THREADS",
        "OPENBLAS_NUM_THREADS",
        "PATH",
        "PYTHONPATH",
    }
)
"""Variables that other libraries of the process, or processes that it starts, read as well."""
SHOWN = 80
"""Bytes of what was printed that are kept."""
PATIENCE = 1.0
"""Seconds that processes have to end after a call."""


@dataclass
class Seen:
    """What was seen while something ran."""

    opened: set[str] = field(default_factory=set)
    """Files that Python code opened to read."""
    written: set[str] = field(default_factory=set)
    """Paths that Python code wrote to or changed, outside the folders it may write to."""
    left: list[str] = field(default_factory=list)
    """Files that are new or changed afterwards, in the folders that were compared."""
    connections: list[str] = field(default_factory=list)
    """Where it looked up or connected to, over the network."""
    settings: list[str] = field(default_factory=list)
    """Settings of the process that are not what they were."""
    printed: int = 0
    """Bytes written to standard output."""
    said: str = ""
    """How they begin."""
    started: list[str] = field(default_factory=list)
    """Programs that Python code started, whether they were there and have ended or not."""
    processes: list[str] = field(default_factory=list)
    """Command lines of processes that are left."""


_sinks: list[Callable[[str, tuple[Any, ...]], None]] = []
_installed = threading.Event()


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    for sink in _sinks:
        sink(event, arguments)


@contextmanager
def watching(allowed: Sequence[Path], compared: Sequence[Path]) -> Iterator[Seen]:
    """See what happens in this block, in all threads of this process.

    Writing below ``allowed`` is as it should be; ``compared`` are folders whose files are
    looked at before and after. Compiled code is seen by what it leaves, Python code by what it
    does, too (PEP 578).
    """
    if not _installed.is_set():  # an audit hook cannot be removed
        sys.addaudithook(_hook)
        _installed.set()
    seen = Seen()
    permitted = tuple(str(folder.resolve()) + os.sep for folder in allowed)

    def sink(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open":
            path, _, flags = arguments
            if isinstance(path, str | bytes) and isinstance(flags, int):
                _note(os.fsdecode(path), bool(flags & WRITING))
        elif event in CHANGES:
            folders = [n for n in arguments[1:] if isinstance(n, int)] or [-1]
            for path in arguments[:2]:
                if isinstance(path, str | bytes):
                    _note(_below(os.fsdecode(path), folders[-1]), True)
        elif event in TALKS:
            if isinstance(arguments[-1], tuple):  # else the name of a socket of this machine
                seen.connections.append(":".join(map(str, arguments[-1][:2])))
        elif event in LOOKUPS:
            host = arguments[0]
            seen.connections.append(os.fsdecode(host) if host else "localhost")
        elif event in STARTS:
            seen.started.append(os.fsdecode(arguments[0]) if arguments else "a copy of itself")

    def _note(path: str, writes: bool) -> None:
        if not os.path.isabs(path):  # noqa: PTH117 - below what folder, the event does not tell
            return  # and the current one is compared
        whole = os.path.normpath(path)  # links stay as they were named
        if not writes:
            seen.opened.add(whole)
        elif not whole.startswith((*permitted, *HARMLESS)):
            seen.written.add(whole)

    before, files = _settings(), {folder: _files(folder) for folder in compared}
    children, printed = _children(), _printed()
    _sinks.append(sink)
    try:
        yield seen
    finally:
        _sinks.remove(sink)
        after = _settings()
        seen.settings = [name for name in before if before[name] != after[name]]
        seen.settings += sorted(_changed(before["environment"], after["environment"]))
        seen.settings = [name for name in seen.settings if name != "environment"]
        seen.printed = max(_printed() - printed, 0)
        seen.said = _said(printed) if seen.printed else ""
        seen.processes = _left(children)
        for folder in compared:
            now = _files(folder)
            seen.left += sorted(
                str(folder / name) for name in now if now[name] != files[folder].get(name)
            )
            seen.left += sorted(str(folder / name) for name in files[folder].keys() - now.keys())


def _below(path: str, folder: int) -> str:
    """A path that is relative to an open folder, whose descriptor the event has last."""
    try:
        return os.path.join(os.readlink(f"/proc/self/fd/{folder}"), path)  # noqa: PTH115, PTH118
    except OSError:
        return path


def _settings() -> dict[str, Any]:
    """What a plugin finds in its process, and leaves as it found it."""
    return {
        "environment": dict(os.environ),
        "the current folder": _folder(),
        "standard output": _file(1),
        "standard error": _file(2),
        "sys.stdout": _stream(sys.stdout),
        "sys.stderr": _stream(sys.stderr),
        "sys.stdin": _stream(sys.stdin),
        "sys.excepthook": sys.excepthook,
        "sys.argv": list(sys.argv),
        "the locale": locale.setlocale(locale.LC_ALL),
        "the handling of SIGINT": signal.getsignal(signal.SIGINT),
        "the handling of SIGTERM": signal.getsignal(signal.SIGTERM),
        "the level of the root logger": logging.getLogger().level,
        "the handlers of the root logger": list(logging.getLogger().handlers),
        "the error handling of numpy": np.geterr(),
        "warnings.showwarning": warnings.showwarning,
        "the limit of recursion": sys.getrecursionlimit(),
        "sys.path": list(sys.path),
        "the mask of new files": _mask(),
        "the timeout of new sockets": socket.getdefaulttimeout(),
    }


def _mask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _changed(before: dict[str, str], after: dict[str, str]) -> Iterator[str]:
    """Libraries have variables of their own: a new one takes nothing from anybody."""
    for name in before.keys() | (after.keys() & SHARED):
        if before.get(name) != after.get(name):
            yield f"the variable {name}"


def _folder() -> str:
    """The current folder; empty where it is gone."""
    try:
        return os.getcwd()  # noqa: PTH109 - a name is enough
    except FileNotFoundError:
        return ""


def _stream(stream: Any) -> tuple[Any, bool]:
    """A stream, and whether it is closed."""
    return stream, getattr(stream, "closed", False)


def _file(descriptor: int) -> tuple[int, int] | None:
    """Which file it is; ``None`` where it is closed."""
    try:
        status = os.fstat(descriptor)
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _files(folder: Path) -> dict[str, tuple[int, int]]:
    found = {}
    for path in folder.rglob("*"):
        try:
            status = path.lstat()
        except FileNotFoundError:  # gone between listing and looking
            continue
        if not path.is_dir():
            found[str(path.relative_to(folder))] = (status.st_size, status.st_mtime_ns)
    return found


def _printed() -> int:
    """Bytes that standard output has taken, where it is a file: that of the suite is one."""
    for stream in (sys.__stdout__, sys.stdout):
        with contextlib.suppress(Exception):  # a plugin may have put anything there, or closed it
            stream.flush()  # type: ignore[union-attr]
    try:
        return os.fstat(1).st_size
    except OSError:  # closed
        return 0


def _said(begin: int) -> str:
    """What stands in standard output from there on, where it can be read: the suite's can."""
    try:
        return os.pread(1, SHOWN, begin).decode(errors="replace")
    except OSError:
        return ""


def _children() -> set[int]:
    return {child.pid for child in psutil.Process().children(recursive=True)}


def _left(before: set[int]) -> list[str]:
    deadline = time.monotonic() + PATIENCE
    while True:
        found = []
        for child in psutil.Process().children(recursive=True):
            try:
                command = child.cmdline()
                helps = any(word.startswith(HELPERS) for word in command)
                ended = child.status() == psutil.STATUS_ZOMBIE
                if not (helps or ended or child.pid in before):
                    found.append(" ".join(command))
            except psutil.NoSuchProcess:
                continue
        if not found or time.monotonic() > deadline:
            return found
        time.sleep(0.02)
