"""Dataset folders: what is written is read, and damage is noticed."""

from __future__ import annotations

import contextlib
import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwcore.contract import ArtifactCorrupt, Column, Dataset, DatasetInfo, Metric, Role, UserError
from hwcore.data import batches, read_dataset, visible
from hwcore.data.layout import VISIBLE, role_folder
from hwcore.data.store import new_folder, write_info
from hwcore.data.writer import write_rows

COLUMNS = {
    "ids": Column(dtype="int64", shape=(None,), pad=9),
    "pairs": Column(dtype="float32", shape=(None, 2)),
    "pixels": Column(dtype="float32", shape=(1, 2)),
}

row = st.lists(st.integers(-(2**63), 2**63 - 1), max_size=6)
some_rows = st.lists(row, min_size=1, max_size=7)
roles = st.dictionaries(st.sampled_from(["calibration", "train", "tune", "test"]), some_rows)


def arrays(ids: list[int]) -> dict[str, np.ndarray]:
    """A row of all three columns that tells its ids apart."""
    numbers = np.array(ids, dtype=np.int64)
    return {
        "ids": numbers,
        "pairs": np.stack([numbers % 97, numbers % 89], axis=1).astype(np.float32),
        "pixels": np.array([[len(ids), numbers.sum() % 83]], dtype=np.float32),
    }


def write(
    out: Path, content: dict[Role, list[list[int]]], *, seed: int = 0, chunk: int = 3
) -> Dataset:
    info = DatasetInfo(
        task="text-classification",
        columns=COLUMNS,
        labels=("no", "yes"),
        metric=Metric(name="accuracy"),
        rows={role: len(rows) for role, rows in content.items()},
        seed=seed,
    )
    with new_folder(out) as work:
        (work / VISIBLE).mkdir()
        for role, rows in content.items():
            made = [arrays(ids) for ids in rows]
            write_rows(
                role_folder(work, role),
                COLUMNS,
                (
                    {name: [row[name] for row in made[i : i + chunk]] for name in COLUMNS}
                    for i in range(0, len(made), chunk)
                ),
                ids=[100 + i for i in range(len(rows))],
                labels=[len(ids) % 2 for ids in rows],
            )
        info = write_info(work, info)
    return Dataset(path=out.absolute(), info=info)


CONTENT: dict[Role, list[list[int]]] = {"test": [[1, 2, 3], [4]], "tune": [[5], [], [6, 7]]}


@settings(max_examples=25)  # each waits for the disk
@given(roles, st.integers(1, 4), st.integers(1, 5))
def test_what_is_written_is_read(
    content: dict[Role, list[list[int]]], batch_size: int, chunk: int
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        written = write(Path(folder) / "data", content, chunk=chunk)
        data = read_dataset(written.path, verify=True)
        assert data == written
        for role, rows in content.items():
            found = [
                (batch.rows[i], batch.labels[i], {n: a[i] for n, a in batch.inputs.items()})
                for batch in batches(data, role, batch_size=batch_size)
                if batch.labels is not None
                for i in range(len(batch.rows))
            ]
            assert len(found) == len(rows)
            for position, (ids, (number, label, inputs)) in enumerate(
                zip(rows, found, strict=True)
            ):
                assert (number, label) == (100 + position, len(ids) % 2)
                for name, expected in arrays(ids).items():
                    np.testing.assert_array_equal(inputs[name][: len(expected)], expected)
                assert (inputs["ids"][len(ids) :] == 9).all()


@settings(max_examples=25)
@given(roles.filter(bool), st.data())
def test_the_digest_is_of_the_content(
    content: dict[Role, list[list[int]]], data: st.DataObject
) -> None:
    role = data.draw(st.sampled_from(sorted(content)))
    index = data.draw(st.integers(0, len(content[role]) - 1))
    other = {**content, role: [list(ids) for ids in content[role]]}
    other[role][index] = data.draw(row.filter(lambda ids: ids != content[role][index]))
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        digest = write(root / "a", content).digest
        assert len(digest) == 64
        assert write(root / "b", content, seed=1, chunk=1).digest == digest
        assert write(root / "c", other).digest != digest


@pytest.mark.parametrize("file", ["labels.npy", "rows.npy"])
def test_labels_and_numbers_are_content(tmp_path: Path, file: str) -> None:
    data = write(tmp_path / "data", CONTENT)
    path = data.path / VISIBLE / "tune" / file
    replace(path, np.load(path)[::-1])
    with pytest.raises(ArtifactCorrupt, match="its rows are not those that were written"):
        read_dataset(data.path, verify=True)


def test_the_digest_knows_rows_from_roles(tmp_path: Path) -> None:
    assert (
        write(tmp_path / "a", {"tune": [[1]], "test": [[2]]}).digest
        != write(tmp_path / "b", {"tune": [[2]], "test": [[1]]}).digest
    )


def test_a_plugin_sees_no_test_rows(tmp_path: Path) -> None:
    data = write(tmp_path / "data", CONTENT)
    seen = visible(data)
    assert seen.info.rows == {"tune": 3}
    assert seen.digest == data.digest
    assert read_dataset(seen.path) == seen
    assert visible(seen) == seen
    assert not [path for path in seen.path.rglob("*") if "test" in path.name]
    assert [batch.rows.tolist() for batch in batches(seen, "tune", batch_size=9)] == [
        [100, 101, 102]
    ]
    with pytest.raises(UserError, match="the dataset has no test rows") as caught:
        next(batches(seen, "test", batch_size=1))
    assert caught.value.hint == "It has tune; make it again with more."
    # Even one that lies about its rows finds nothing there.
    liar = Dataset(path=seen.path, info=data.info)
    with pytest.raises(ArtifactCorrupt, match="test/"):
        next(batches(liar, "test", batch_size=1))


def test_limits_and_sizes(tmp_path: Path) -> None:
    data = write(tmp_path / "data", CONTENT)
    found = [b.rows.tolist() for b in batches(data, "tune", batch_size=2)]
    assert found == [[100, 101], [102]]
    assert [len(b.rows) for b in batches(data, "tune", batch_size=2, limit=1)] == [1]
    assert [len(b.rows) for b in batches(data, "tune", batch_size=2, limit=99)] == [2, 1]
    with pytest.raises(UserError, match="batch_size is 0, expected at least 1"):
        next(batches(data, "tune", batch_size=0))


def test_a_batch_is_the_callers_own(tmp_path: Path) -> None:
    data = write(tmp_path / "data", CONTENT)
    batch = next(batches(data, "tune", batch_size=9))
    for array in (*batch.inputs.values(), batch.labels, batch.rows):
        assert array is not None
        array[:] = 0
    read_dataset(data.path, verify=True)


def test_a_folder_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"is not a dataset: it has no dataset\.json"):
        read_dataset(tmp_path)
    with pytest.raises(UserError, match="is not a dataset"):
        read_dataset(tmp_path / "gone")


def replace(path: Path, array: np.ndarray) -> None:
    assert path.exists()
    np.save(path, array)


@pytest.mark.parametrize(
    ("file", "content", "why"),
    [
        ("labels.npy", np.array([0, 2, 0]), "has labels beyond the 2 classes"),
        ("labels.npy", np.array([0, -1, 0]), "has labels beyond the 2 classes"),
        ("labels.npy", np.array([0, 1]), r"holds int64 \(2,\), dataset.json says int64 \(3,\)"),
        ("rows.npy", np.array([0.0, 1, 2]), "holds float64"),
        ("inputs/pixels.npy", np.zeros((3, 2, 1), np.float32), r"holds float32 \(3, 2, 1\)"),
        ("inputs/pairs.values.npy", np.zeros((3, 3), np.float32), "says float32"),
        ("inputs/ids.values.npy", np.zeros(4, np.int64), "does not divide its values"),
        ("inputs/ids.offsets.npy", np.array([0, 2, 1, 3]), "does not divide its values"),
        ("inputs/ids.offsets.npy", np.array([1, 1, 2, 3]), "does not divide its values"),
        ("inputs/ids.offsets.npy", np.array([0, 3]), r"says int64 \(4,\)"),
    ],
)
def test_files_that_do_not_fit(tmp_path: Path, file: str, content: np.ndarray, why: str) -> None:
    data = write(tmp_path / "data", CONTENT)
    replace(data.path / VISIBLE / "tune" / file, content)
    with pytest.raises(ArtifactCorrupt, match=why):
        read_dataset(data.path)


@pytest.mark.parametrize("how", ["gone", "cut", "pickle", "zip"])
def test_files_that_are_none(tmp_path: Path, how: str) -> None:
    data = write(tmp_path / "data", CONTENT)
    path = data.path / "test" / "inputs" / "pixels.npy"
    if how == "gone":
        path.unlink()
    elif how == "cut":
        path.write_bytes(path.read_bytes()[:-1])
    elif how == "pickle":
        np.save(path, np.array([{}, {}]), allow_pickle=True)
    else:
        np.savez(path.with_suffix(""), pixels=np.zeros(2))
        path.with_suffix(".npz").replace(path)
    with pytest.raises(ArtifactCorrupt, match=r"pixels\.npy cannot be read: "):
        read_dataset(data.path)


def test_a_flipped_byte(tmp_path: Path) -> None:
    data = write(tmp_path / "data", CONTENT)
    path = data.path / "test" / "inputs" / "ids.values.npy"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    read_dataset(data.path)
    with pytest.raises(ArtifactCorrupt, match="its rows are not those that were written"):
        read_dataset(data.path, verify=True)
    with pytest.raises(UserError, match="is a part of a dataset, which cannot be verified"):
        read_dataset(data.path / VISIBLE, verify=True)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"rows": {"validation": 1}}, r"dataset\.json: rows\.validation"),
        ({"task": 3}, r"dataset\.json: task"),
        ({"columns": {"../x": {"dtype": "int8", "shape": [None]}}}, "'../x' cannot be the name"),
        ({"columns": {"x": {"dtype": "int8", "shape": [1, None]}}}, "open on an axis after"),
    ],
)
def test_a_description_that_cannot_be(tmp_path: Path, change: dict[str, Any], why: str) -> None:
    data = write(tmp_path / "data", CONTENT)
    file = data.path / "dataset.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | change))
    with pytest.raises(ArtifactCorrupt, match=why):
        read_dataset(data.path)


def test_an_endless_description_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "dataset.json").open("wb") as file:
        file.truncate(1 << 40)  # a sparse file: nothing is written
    with pytest.raises(ArtifactCorrupt, match="is larger than 16 MiB"):
        read_dataset(tmp_path)


def test_a_folder_is_whole_or_not_there(tmp_path: Path) -> None:
    with contextlib.suppress(ZeroDivisionError), new_folder(tmp_path / "out") as work:
        (work / "half").write_text("")
        raise ZeroDivisionError
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "out").mkdir()
    with new_folder(tmp_path / "out") as work:
        (work / "whole").write_text("")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["whole"]
    with pytest.raises(UserError, match="is there already"), new_folder(tmp_path / "out"):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
