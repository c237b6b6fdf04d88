"""The command ``hwcore`` as a user starts it: a process of its own, with a cache of its own."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import typer

MARK = "HWCORE_TEST_MARK"
"""Variable that every process started by a `Command` inherits, and is found by."""

SKETCH = Path(__file__).parent / "dummies" / "sketch_engine"

PROGRESS = re.compile(r"( .+: \d+%.*|.+: \d+\.\d s|warning: .+)")
"""Lines that are not about an error: how far work is, how long it took, a plugin's warning."""


@dataclass(frozen=True)
class Done:
    """A command that ended."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        return json.loads(self.out)

    def check(self) -> Done:
        """Itself, if it succeeded."""
        assert self.code == 0, f"exit code {self.code}\n{self.out}\n{self.err}"
        return self

    def refused(self, code: int, *words: str) -> Done:
        """Itself, if it failed as a command must: one sentence, a hint, and no traceback.

        ``words`` stand in the sentence or the hint.
        """
        assert self.code == code, f"exit code {self.code}, not {code}\n{self.out}\n{self.err}"
        assert "Traceback" not in self.err
        lines = [line for line in self.err.splitlines() if not PROGRESS.fullmatch(line)]
        assert len(lines) == 2, f"expected a sentence and a hint:\n{self.err}"
        sentence, hint = lines
        assert sentence.startswith("hwcore: ")
        assert hint.startswith("  hint: ")
        for word in words:
            assert word in sentence + hint, f"no {word!r} in:\n{self.err}"
        assert self.out == ""
        return self


@dataclass(frozen=True)
class Command:
    """``hwcore`` with this cache, these environment variables, and these plugins beside ours."""

    cache: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    plugins: tuple[Path, ...] = ()
    """Folders that are as good as site-packages."""
    program: tuple[str, ...] = (sys.executable, "-m", "hwcore")
    mark: str = field(default_factory=lambda: uuid.uuid4().hex)

    def __call__(self, *arguments: object, timeout: float = 300) -> Done:
        """Run it to its end."""
        process = self.start(*arguments)
        try:
            out, err = process.communicate(timeout=timeout)
        finally:
            process.kill()
        return Done(process.returncode, out, err)

    def start(self, *arguments: object, stderr: int = subprocess.PIPE) -> subprocess.Popen[str]:
        """Start it, its output in pipes."""
        return subprocess.Popen(
            [*self.program, *map(str, arguments)],
            env=self.variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
        )

    @property
    def variables(self) -> dict[str, str]:
        """The whole environment that it is started with."""
        paths = [*map(str, self.plugins), os.environ.get("PYTHONPATH", "")]
        return {
            **os.environ,
            "HWCORE_CACHE": str(self.cache),
            "PYTHONPATH": os.pathsep.join(filter(None, paths)),
            MARK: self.mark,
            **self.environment,
        }

    def processes(self) -> list[psutil.Process]:
        """Every living process that descends from this command, by the variable they inherit."""
        return [process for process in psutil.process_iter() if _marked(process, self.mark)]

    def orphans(self, *, patience: float = 5.0) -> list[psutil.Process]:
        """Those that still live after ``patience`` seconds."""
        end = time.monotonic() + patience
        while (left := self.processes()) and time.monotonic() < end:
            time.sleep(0.05)
        return left

    def steps(self) -> set[str]:
        """Keys of the finished steps in the cache."""
        folder = self.cache / "steps"
        return {path.name for path in folder.iterdir()} if folder.exists() else set()

    def unfinished(self) -> list[Path]:
        """What lies in the cache's workspaces: nothing, unless a command was killed."""
        folder = self.cache / "tmp"
        return sorted(folder.iterdir()) if folder.exists() else []


def _marked(process: psutil.Process, mark: str) -> bool:
    try:
        if process.status() == psutil.STATUS_ZOMBIE:
            return False
        return process.environ().get(MARK) == mark
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return False


def program() -> Any:
    """The command line as typer has it, with the commands that other distributions bring."""
    from hwcore.cli.app import app
    from hwcore.cli.plugged import Plugged

    root: Any = typer.main.get_command(app)
    for name in root.list_commands(None):
        if isinstance(root.commands[name], Plugged):
            root.commands[name] = root.commands[name].load()
    return root


def sketching(cache: Path, **environment: str) -> Command:
    """The command with one small plugin and none of ours: a whole optimize takes seconds."""
    return Command(cache, {"HWCORE_PLUGINS": "sketch", **environment}, plugins=(SKETCH,))


def leftovers(out: Path) -> list[str]:
    """``out`` and the temporary folders beside it, as far as they are there."""
    if not out.parent.exists():
        return []
    return sorted(
        path.name
        for path in out.parent.iterdir()
        if path.name == out.name or path.name.startswith(f".{out.name}.")
    )
