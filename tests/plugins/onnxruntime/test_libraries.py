"""The libraries are imported late, quiet and without telemetry."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from core_plugin_onnxruntime import libraries
from hwcore.contract import UserError

IMPORTING = """
import os, sys

class Watch:
    def find_spec(self, name, path=None, target=None):
        if name == "onnxruntime":
            print("off" if os.environ.get({variable!r}) == "1" else "on")

sys.meta_path.insert(0, Watch())
{code}
"""
"""A program that says what the variable was at the moment the library was looked for."""


def test_telemetry_is_off_before_the_library_is_imported(tmp_path: Path) -> None:
    """Importing it can be enough to leave a device id in the home folder."""
    plugins = "from core_plugin_onnxruntime import libraries; libraries.onnxruntime()"
    environment = {**os.environ, "HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / ".cache")}
    environment.pop(libraries.TELEMETRY, None)
    for code, state in ((plugins, "off"), ("import onnxruntime", "on")):
        program = IMPORTING.format(variable=libraries.TELEMETRY, code=code)
        done = subprocess.run(
            [sys.executable, "-c", program],
            env=environment,
            check=True,
            capture_output=True,
            text=True,
        )
        assert done.stdout.split()[0] == state
        if state == "off":
            assert list(tmp_path.iterdir()) == []


def test_a_missing_library_is_named() -> None:
    with pytest.raises(UserError) as caught:
        libraries.require("no_such_library.part", "exporting to ONNX")
    assert str(caught.value) == "exporting to ONNX needs no_such_library, which is not installed"
    assert caught.value.hint == 'Install it: pip install "core-plugin-onnxruntime[build]"'


def test_a_library_that_lacks_one_of_its_own_is_not_the_users_fault() -> None:
    with pytest.raises(ModuleNotFoundError, match=r"onnx\.no_such_part"):
        libraries.require("onnx.no_such_part", "exporting to ONNX")
