"""Asking a plugin in a process that may end at any time, and is started again when it does."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Generator, Iterator, Mapping
from pathlib import Path
from typing import Any

from hwcore.contract import PluginError
from hwcore_conformance.operators.child import START_SECONDS, Job
from hwcore_conformance.operators.profile import Result, State

MAX_ENDS = 25
"""So many units of a chain in a row end the process before the plugin is given up."""

_LOOK_SECONDS = 0.2
"""How often the process is looked after while nothing is heard of it."""

Environment = Mapping[str, str]


def results(
    job: Job, folder: Path, plugin: str, environment: Environment
) -> Generator[tuple[int, Result]]:
    """The result of every unit of a job, by its place, in order.

    ``folder`` is an empty one to work in. Raises `PluginError` where the process of a plugin
    ends in unit after unit of a chain, `RuntimeError` for what is this suite's own mistake.
    """
    ends: dict[int, int] = {}
    done = 0
    while done < len(job.units):
        rest = job.model_copy(update={"units": job.units[done:]})
        with _Child(rest, folder, environment) as child:
            for place, result in child.results():
                chain = rest.units[place][1]
                ended = result.state in (State.CRASHED, State.TIMED_OUT)
                ends[chain] = ends.get(chain, 0) + 1 if ended else 0
                if ends[chain] == MAX_ENDS:
                    raise PluginError(
                        f"{MAX_ENDS} cases in a row ended the process, the last of them "
                        f"{rest.units[place][0]}: {result.reason}",
                        plugin=plugin,
                        hint="Try a single case: --only with its name.",
                    )
                yield done + place, result
        done += place + 1


class _Child:
    """One process, its pipe and its log."""

    def __init__(self, job: Job, folder: Path, environment: Environment) -> None:
        self._job = job
        self._log = folder / "log"
        file = folder / "job.json"
        file.write_text(job.model_dump_json(), "utf-8")
        self._pipe, theirs = os.pipe()
        try:
            with self._log.open("wb") as log:
                self._process = subprocess.Popen(
                    # -P: a module in the folder that it works in is not found for another.
                    [sys.executable, "-P", "-m", f"{__package__}.child", str(file), str(theirs)],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    cwd=folder,
                    env=dict(environment),
                    pass_fds=[theirs],
                    start_new_session=True,
                )
        except BaseException:
            os.close(self._pipe)
            raise
        finally:
            os.close(theirs)
        self._unread = b""
        self._said = 0
        """Bytes of the log when the present unit began."""

    def __enter__(self) -> _Child:
        return self

    def __exit__(self, *error: object) -> None:
        self._kill()
        os.close(self._pipe)

    def results(self) -> Iterator[tuple[int, Result]]:
        """Of units in order, the last one of which may have ended the process."""
        limit = START_SECONDS + self._job.seconds
        try:
            ready = self._event(limit) == ["ready"]
        except TimeoutError:
            ready = False
        if not ready:
            self._kill()
            raise RuntimeError(f"the process for the plugin does not start: {self._last_words()}")
        for place in range(len(self._job.units)):
            try:
                begun = self._event(limit)
                if begun is not None:
                    self._said = self._of("begin", place, begun)[0]
                ended = self._event(limit)
            except TimeoutError:
                reason = f"it took longer than {limit:g} s"
                yield place, Result(state=State.TIMED_OUT, reason=reason)
                return
            if ended is None:
                yield place, Result(state=State.CRASHED, reason=self._end())
                return
            state, reason = self._of("end", place, ended)
            yield place, Result(state=State(state), reason=reason)
            limit = self._job.seconds

    @staticmethod
    def _of(kind: str, place: int, event: list[Any]) -> list[Any]:
        """What an event of that kind and unit says. Raises `RuntimeError` for any other."""
        if event[:2] != [kind, place]:
            raise RuntimeError(str(event[-1]))
        return event[2:]

    def _event(self, seconds: float) -> list[Any] | None:
        """The next event, ``None`` at the end of the process. Raises `TimeoutError`."""
        deadline = time.monotonic() + seconds
        while b"\n" not in self._unread:
            # What the plugin has started may hold the pipe open when its process is gone.
            gone = self._process.poll() is not None
            ready, _, _ = select.select([self._pipe], [], [], 0 if gone else _LOOK_SECONDS)
            if not ready:
                if gone:
                    return None
                if time.monotonic() > deadline:
                    raise TimeoutError
                continue
            content = os.read(self._pipe, 1 << 16)
            if not content:
                return None
            self._unread += content
        line, _, self._unread = self._unread.partition(b"\n")
        event: list[Any] = json.loads(line)
        return event

    def _end(self) -> str:
        """How the process ended, and the last line that it wrote."""
        status = self._process.wait()
        how = f"status {status}"
        if status < 0:
            how = signal.Signals(-status).name
        return f"the process ended with {how}: {self._last_words()}"

    def _last_words(self) -> str:
        lines = self._log.read_bytes()[self._said :].decode("utf-8", "replace").splitlines()
        return next((line.strip() for line in reversed(lines) if line.strip()), "it said nothing")

    def _kill(self) -> None:
        """End it, and what it has started."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
