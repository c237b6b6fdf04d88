"""What a vendor's library does to the process is put back."""

from __future__ import annotations

import logging
import sys
import warnings

import pytest

from hwcore import vendor


def test_quiet_ends_with_the_block_and_hides_no_error(caplog: pytest.LogCaptureFixture) -> None:
    logger = logging.getLogger("onnxscript")
    before = logging.getLogger().level, logger.level

    def work() -> None:
        with vendor.quiet("root", "onnxscript"):
            warnings.warn("nothing to see", stacklevel=1)
            logger.warning("nothing to see")
            logger.error("a real one")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        work()
    assert (logging.getLogger().level, logger.level) == before
    assert [record.message for record in caplog.records] == ["a real one"]


def test_the_root_logger_is_left_without_a_handler(monkeypatch: pytest.MonkeyPatch) -> None:
    """ONNX Runtime logs through it while it quantizes, and the first line makes a handler."""
    monkeypatch.setattr(logging.root, "handlers", [])
    with vendor.only_errors("root"):
        logging.info("nothing to see")
    assert logging.root.handlers == []


def test_the_search_path_is_put_back() -> None:
    with vendor.same_path():
        sys.path.append("elsewhere")
    assert "elsewhere" not in sys.path
