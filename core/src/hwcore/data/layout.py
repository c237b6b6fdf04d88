"""Where a dataset's files lie::

    <dataset>/
      dataset.json                 every role
      test/                        rows of the test role
      visible/                     a dataset without that role: what a plugin is handed
        dataset.json
        calibration/, train/, tune/

and of one role, with one row per entry of the first axis::

    rows.npy                       int64: where the row stood in the user's data, from 0
    labels.npy                     int64: class ids; absent when there are no labels
    inputs/<column>.npy            a column whose rows have one shape
    inputs/<column>.values.npy     a column whose rows differ in length: all rows in sequence,
    inputs/<column>.offsets.npy    int64: row i is values[offsets[i]:offsets[i + 1]]
"""

from __future__ import annotations

from pathlib import Path

from hwcore.contract import Role

INFO = "dataset.json"
VISIBLE = "visible"
DAMAGED = "Restore the folder, or give the data that it was made of to make it again."
"""The hint where a dataset is not what was written."""
TEST: Role = "test"


def role_folder(root: Path, role: Role) -> Path:
    """The folder of a role's rows, in a whole dataset or in the visible part of one."""
    if role == TEST:
        return root / TEST
    visible = root / VISIBLE
    return (visible if visible.is_dir() else root) / role
