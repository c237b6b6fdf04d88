"""Measuring processes that drive an engine by hand: see `bench.hand`."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from hwcore.contract import Arrays


class HandProcess:
    """An engine in a process of its own; what `hwcore.measure` can time."""

    def __init__(self, engine: str, folder: Path, threads: int) -> None:
        self._files: dict[int, str] = {}
        self._kept: list[Arrays] = []
        self._folder = tempfile.TemporaryDirectory()
        self._process = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-m", "bench.hand", engine, str(folder), str(threads)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        if self._read() != "ready":
            raise SystemExit(f"bench.hand {engine} did not start")

    def time_calls(self, inputs: Sequence[Arrays], calls: int) -> list[int]:
        """Nanoseconds of each call, cycling through ``inputs``."""
        order = {"inputs": [self._file(arrays) for arrays in inputs], "calls": calls}
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        times: list[int] = json.loads(self._read())
        return times

    def _file(self, arrays: Arrays) -> str:
        if id(arrays) not in self._files:
            path = Path(self._folder.name) / f"{len(self._files)}.npz"
            np.savez(path, allow_pickle=False, **arrays)
            self._files[id(arrays)] = str(path)
            self._kept.append(arrays)
        return self._files[id(arrays)]

    def _read(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(30)
        self._folder.cleanup()
