"""Answers on disk: found again under their key, or not at all."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hwcore.evaluate import Answers, load_answers, save_answers

rng = np.random.default_rng(0)
FLAT = Answers(list(rng.normal(size=(5, 3)).astype(np.float32)), np.array([0, 1, 2, 1, 0]))
SEQUENCES = Answers([rng.normal(size=(n, 4)).astype(np.float32) for n in (3, 1, 7)], None)
SINGLE = Answers([rng.normal(size=(1, 4)).astype(np.float32)], None)


def assert_same(one: Answers | None, other: Answers) -> None:
    assert one is not None
    assert one.flat == other.flat
    for mine, theirs in zip(one.outputs, other.outputs, strict=True):
        assert mine.dtype == theirs.dtype
        np.testing.assert_array_equal(mine, theirs)
    if other.labels is None:
        assert one.labels is None
    else:
        assert one.labels is not None
        np.testing.assert_array_equal(one.labels, other.labels)


@pytest.mark.parametrize("found", [FLAT, SEQUENCES, SINGLE], ids=["flat", "sequences", "one-token"])
def test_round_trip(tmp_path: Path, found: Answers) -> None:
    save_answers(tmp_path / "answers.npz", "key", found)
    assert_same(load_answers(tmp_path / "answers.npz", "key"), found)
    assert [path.name for path in tmp_path.iterdir()] == ["answers.npz"]


def test_the_last_save_counts(tmp_path: Path) -> None:
    save_answers(tmp_path / "answers.npz", "old", FLAT)
    save_answers(tmp_path / "answers.npz", "new", SEQUENCES)
    assert load_answers(tmp_path / "answers.npz", "old") is None
    assert_same(load_answers(tmp_path / "answers.npz", "new"), SEQUENCES)


def test_none_where_there_are_none(tmp_path: Path) -> None:
    assert load_answers(tmp_path / "answers.npz", "key") is None


@pytest.mark.parametrize("part", [0.0, 0.02, 0.5, 0.9, 0.999])
def test_none_where_half_of_them_are(tmp_path: Path, part: float) -> None:
    path = tmp_path / "answers.npz"
    save_answers(path, "key", FLAT)
    content = path.read_bytes()
    path.write_bytes(content[: int(part * len(content))])
    assert load_answers(path, "key") is None


def test_none_where_a_byte_was_flipped(tmp_path: Path) -> None:
    path = tmp_path / "answers.npz"
    save_answers(path, "key", FLAT)
    content = bytearray(path.read_bytes())
    place = content.find(FLAT.outputs[0].tobytes())
    assert place > 0
    content[place] ^= 1
    path.write_bytes(content)
    assert load_answers(path, "key") is None


@pytest.mark.parametrize("arrays", [{}, {"key": np.array("key")}])
def test_none_where_something_else_lies(tmp_path: Path, arrays: dict[str, np.ndarray]) -> None:
    np.savez(tmp_path / "answers.npz", **arrays)
    assert load_answers(tmp_path / "answers.npz", "key") is None


def test_none_where_a_pickle_lies(tmp_path: Path) -> None:
    outputs = np.array([{"code": "that must not run"}], dtype=object)
    np.savez(tmp_path / "answers.npz", key=np.array("key"), values=outputs)
    assert load_answers(tmp_path / "answers.npz", "key") is None
