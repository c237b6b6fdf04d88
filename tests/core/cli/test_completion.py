"""Completion of the command line in the shell."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = str(Path(sys.executable).with_name("hwcore"))


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_for_a_shell_is_shown(shell: str) -> None:
    done = complete(f"source_{shell}")
    assert "_HWCORE_COMPLETE" in done
    assert "hwcore" in done


def test_commands_are_completed() -> None:
    assert complete("complete_bash", COMP_WORDS="hwcore op", COMP_CWORD="1").split() == ["optimize"]


def complete(instruction: str, **words: str) -> str:
    environment = {**os.environ, "_HWCORE_COMPLETE": instruction, **words}
    done = subprocess.run([PROGRAM], env=environment, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return done.stdout
