"""How many threads a user may ask for."""

from __future__ import annotations

import pytest

from hwcore.contract import UserError
from hwcore.host import available_cores
from hwcore.workflows.threads import checked_threads


def test_all_cores_are_fine() -> None:
    assert checked_threads(available_cores()) == available_cores()
    assert checked_threads(None) is None


def test_more_than_there_are_is_refused_with_the_number() -> None:
    message = f"9999 threads are asked for, but this process may use {available_cores()} cores"
    with pytest.raises(UserError, match=message):
        checked_threads(9999)
