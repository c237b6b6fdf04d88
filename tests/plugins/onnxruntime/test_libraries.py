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

PLUGINS = "from core_plugin_onnxruntime import libraries; libraries.onnxruntime"
"""The way that the plugin's code takes."""


def test_telemetry_is_off(tmp_path: Path) -> None:
    """Importing the library leaves a device id in the home folder, unless it was told not to."""
    for code, left in ((f"{PLUGINS}()", []), ("import onnxruntime", ["Microsoft"])):
        home = tmp_path / str(len(left))
        home.mkdir()
        environment = {**os.environ, "HOME": str(home), "XDG_CACHE_HOME": str(home / ".cache")}
        environment.pop(libraries.TELEMETRY, None)
        subprocess.run([sys.executable, "-c", code], env=environment, check=True)
        assert [path.name for path in home.glob(".cache/*")] == left


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
