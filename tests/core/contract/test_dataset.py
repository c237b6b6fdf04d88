"""Datasets as values."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from hwcore.contract import Dataset, DatasetInfo


def test_rows_are_counted_by_role() -> None:
    info = DatasetInfo(task="t", columns={}, rows={"test": 4}, digest="d")
    dataset = Dataset(path=Path("/data"), info=info)
    assert dataset.count("test") == 4
    assert dataset.count("train") == 0
    assert dataset.digest == "d"


def test_a_role_is_one_of_four() -> None:
    with pytest.raises(ValidationError, match="'calibration', 'train', 'tune' or 'test'"):
        DatasetInfo.model_validate({"task": "t", "columns": {}, "rows": {"valid": 1}})
