"""What a person who waits is shown: bars on a terminal, plain lines elsewhere, nothing if asked."""

from __future__ import annotations

import os
import pty
import re
import select
import subprocess
import sys
from pathlib import Path

import pytest
from command import Command

from hwcore.cli import progress
from hwcore.cli.progress import Lines


def test_lines_where_nobody_watches(hwcore: Command, toy: Path, tmp_path: Path) -> None:
    step = ["compile", toy, "--plugin", "steps", "--capability", "pack"]
    done = hwcore(*step, "--out", tmp_path / "out").check()
    assert re.fullmatch(r"compile steps/pack: \d+\.\d s\n", done.err)
    assert "\x1b" not in done.out
    assert "compile steps/pack: passed" in done.out
    again = hwcore(*step, "--out", tmp_path / "again").check()
    assert "(finished before)" in again.out


def test_nothing_when_quiet(hwcore: Command, toy: Path, tmp_path: Path) -> None:
    step = ["compile", toy, "--plugin", "steps", "--capability", "pack", "--quiet"]
    assert hwcore(*step, "--out", tmp_path / "out").check().err == ""


def test_bars_on_a_terminal(hwcore: Command, toy: Path, tmp_path: Path) -> None:
    step = ["compile", toy, "--plugin", "steps", "--capability", "pack", "--out", tmp_path / "out"]
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "hwcore", *map(str, step)],
        env={**hwcore.variables, "TERM": "xterm"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=theirs,
    )
    os.close(theirs)
    shown = read_all(ours)
    os.close(ours)
    assert process.wait() == 0
    assert "\x1b[" in shown
    assert re.search(r"✓.* compile steps/pack .*\d\.\d s", shown)


def test_a_long_piece_of_work_speaks_up_now_and_then(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(progress, "LINE_EVERY_S", 0.0)
    lines = Lines()
    with lines.work("export") as report:
        report(0.25, "tracing")
        report(0.5, "")
    lines.log("int8 saturates here", "warning")
    lines.log("of no interest")
    said = capsys.readouterr().err.splitlines()
    assert said[:2] == ["  export: 25% tracing", "  export: 50%"]
    assert re.fullmatch(r"export: \d+\.\d s", said[2])
    assert said[3:] == ["warning: int8 saturates here"]


def test_work_that_failed_is_not_said_to_be_done(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValueError, match="no"), Lines().work("export"):
        raise ValueError("no")
    assert capsys.readouterr().err == ""


def read_all(terminal: int) -> str:
    """Until the other side is closed, which Linux reports as an error."""
    found = b""
    while select.select([terminal], [], [], 60)[0]:
        try:
            data = os.read(terminal, 4096)
        except OSError:
            break
        if not data:
            break
        found += data
    return found.decode()
