"""The process that checks run in, from outside: started, asked, and ended."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import secrets
import select
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import psutil

from hwcore_conformance.answers import LONGEST_LINE, NoAnswer, understood
from hwcore_conformance.subject import Settings

MARK = "HWCORE_CONFORMANCE_ROOM"
"""Variable that every process of a run inherits, so that none is forgotten."""
SPACE = 1 << 30
"""Bytes that must stay free on the disk of the workspace."""
LAST_WORDS = 400
PATIENCE = 5.0
"""Seconds that a room has to end by itself, and processes to be gone."""


class RoomLost(Exception):
    """The process of the checks ended, was silent for too long, or filled the disk."""


class Room:
    """One process of checks, with a warden above it."""

    def __init__(
        self, settings: Settings, mark: str, workspace: Path, *, compiled_anew: bool = False
    ) -> None:
        """``workspace`` is a folder to make, that all is written below but for the models.

        ``compiled_anew``: no bytecode is used that lies beside the modules, for it may be of
        other ones. Processes that checks start inherit this.
        """
        folders = {name: workspace / name for name in ("home", "tmp", "here")}
        for folder in folders.values():
            folder.mkdir(parents=True)
        self._workspace = workspace
        self._output = workspace / "stderr"
        its = asdict(settings) | {"workspace": str(workspace), "models": str(settings.models)}
        lifeline, self._lifeline = _pipe()
        theirs, self._requests = _pipe()
        self._answers, ours = _pipe()
        self._hung_up = False
        environment = {
            name: value for name, value in os.environ.items() if not name.startswith("XDG_")
        }
        path = environment.get("PYTHONPATH", "").split(os.pathsep)
        absolute = os.pathsep.join(str(Path(entry).absolute()) for entry in path if entry)
        environment["PYTHONPATH"] = absolute  # the room has a current folder of its own
        environment |= {"HOME": str(folders["home"]), "TMPDIR": str(folders["tmp"]), MARK: mark}
        if compiled_anew:  # in a folder by this name that Python itself writes to is no offence
            environment["PYTHONPYCACHEPREFIX"] = str(workspace / "__pycache__")
        with (workspace / "stdout").open("w+b") as out, self._output.open("wb") as err:
            self._process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "hwcore_conformance.warden"),
                    *(str(lifeline), str(theirs), str(ours), json.dumps(its)),
                ],
                pass_fds=(lifeline, theirs, ours),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                env=environment,
                cwd=folders["here"],
                start_new_session=True,
            )
        for descriptor in (lifeline, theirs, ours):
            os.close(descriptor)
        self._buffer = b""
        self._busy = False

    def ask(self, clause: str, capability: str, silence: float) -> dict[str, Any]:
        """The outcome of a check. Raises `RoomLost`, and is of no use any more."""
        word = secrets.token_hex(16)
        request = json.dumps({"clause": clause, "capability": capability, "word": word}) + "\n"
        self._busy = True
        doing = ""
        try:
            os.write(self._requests, request.encode())
        except BrokenPipeError:
            raise RoomLost(self._obituary(doing)) from None
        while True:
            line = self._line(silence, doing)
            try:
                answer = understood(line, word)
            except NoAnswer:
                raise RoomLost(f"it wrote to a file of the suite{_during(doing)}") from None
            if isinstance(answer, str):
                doing = answer
            else:
                self._busy = False
                return answer

    def end(self) -> None:
        """Let it end by itself if it has nothing to do, and end it otherwise."""
        os.close(self._requests)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=0 if self._busy else PATIENCE)
        self._hang_up()
        try:
            self._process.wait(timeout=2 * PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        os.close(self._answers)

    def clear(self) -> None:
        """Remove what it has written: a later one needs the space. Only after `end`."""
        shutil.rmtree(self._workspace, ignore_errors=True)

    def _hang_up(self) -> None:
        """Have the warden kill what there is."""
        if not self._hung_up:
            self._hung_up = True
            os.close(self._lifeline)

    def _line(self, silence: float, doing: str) -> bytes:
        """The next line, whatever it is. Bytes that are none yet are no sign of life."""
        deadline = time.monotonic() + silence
        while b"\n" not in self._buffer:
            readable, _, _ = select.select([self._answers], [], [], min(silence, 1.0))
            if readable:
                part = os.read(self._answers, 1 << 16)
                if not part:
                    raise RoomLost(self._obituary(doing))
                self._buffer += part
                if len(self._buffer) > LONGEST_LINE:
                    raise RoomLost(f"it wrote to a file of the suite{_during(doing)}")
            if time.monotonic() > deadline and b"\n" not in self._buffer:
                raise RoomLost(f"it took more than {silence:g} s{_during(doing)}")
            if not has_space(self._workspace):
                raise RoomLost(f"it filled the disk{_during(doing)}")
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line

    def _obituary(self, doing: str) -> str:
        """How it came to be that nothing can be asked any more."""
        try:
            status = self._process.wait(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            self._hang_up()
            return f"it closed a file of the suite{_during(doing)}"
        how = f"with status {status}"
        if status < 0:
            how = f"by {signal.Signals(-status).name}"
        with self._output.open("rb") as stream:
            stream.seek(max(self._output.stat().st_size - LAST_WORDS, 0))
            words = stream.read().decode(errors="replace").strip().splitlines()
        said = f", saying {words[-1]!r}" if words else ""
        return f"it ended the process {how}{_during(doing)}{said}"


def has_space(folder: Path) -> bool:
    """False when its disk is as good as full."""
    return shutil.disk_usage(folder).free >= SPACE


def kill_marked(mark: str) -> None:
    """Kill every process that has inherited the mark, and wait until they are gone."""
    killed = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(MARK) == mark:
                process.kill()
                killed.append(process)
        except psutil.Error:  # gone, or another user's
            continue
    psutil.wait_procs(killed, timeout=PATIENCE)


def _pipe() -> tuple[int, int]:
    """A pipe that has none of the numbers of the standard streams, though one may be closed."""
    ends = os.pipe()
    try:
        read, write = (fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 3) for end in ends)
    finally:
        for end in ends:
            os.close(end)
    return read, write


def _during(doing: str) -> str:
    return f", during {doing}" if doing else ""
