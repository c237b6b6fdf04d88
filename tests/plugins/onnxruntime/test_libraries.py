"""The libraries are imported late, quiet and without telemetry."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import warnings
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


def test_quiet_ends_with_the_block_and_hides_no_error(caplog: pytest.LogCaptureFixture) -> None:
    logger = logging.getLogger("onnxscript")
    before = logging.getLogger().level, logger.level

    def work() -> None:
        with libraries.quiet():
            warnings.warn("nothing to see", stacklevel=1)
            logger.warning("nothing to see")
            logger.error("a real one")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        work()
    assert (logging.getLogger().level, logger.level) == before
    assert [record.message for record in caplog.records] == ["a real one"]


def test_quiet_leaves_the_root_logger_without_a_handler(monkeypatch: pytest.MonkeyPatch) -> None:
    """ONNX Runtime logs through it while it quantizes, and the first line makes a handler."""
    monkeypatch.setattr(logging.root, "handlers", [])
    with libraries.quiet():
        logging.info("nothing to see")
    assert logging.root.handlers == []


def test_the_search_path_is_put_back() -> None:
    with libraries.same_path():
        sys.path.append("elsewhere")
    assert "elsewhere" not in sys.path
