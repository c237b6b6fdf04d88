"""Workloads: the inputs that everything is timed on."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import parts
import pytest

from hwcore.contract import Arrays, Dataset, Dim, Role, UserError
from hwcore.measure import Workload, check_length, workloads
from hwcore.measure.workload import DRAWN, drawn_role

SIGNATURE = parts.text_signature(most=512)


@pytest.fixture
def data(tmp_path: Path) -> Dataset:
    return parts.dataset(tmp_path / "data", {"tune": 20, "test": 3}, lengths=(3, 9, 5))


def lengths(workload: Workload) -> list[int]:
    return [inputs["input_ids"].shape[1] for inputs in workload.inputs]


def assert_unpadded(inputs: Arrays) -> None:
    assert (inputs["attention_mask"] == 1).all()


class TestFromData:
    def test_lengths_are_the_datas_own_in_its_order(self, data: Dataset) -> None:
        (one,) = workloads(SIGNATURE, data, batch_sizes=(1,))
        assert (one.name, one.batch, one.length) == ("batch 1", 1, 0)
        assert lengths(one) == ([3, 9, 5] * 7)[:20]

    def test_batches_are_whole(self, data: Dataset) -> None:
        (some,) = workloads(SIGNATURE, data, batch_sizes=(8,))
        assert [inputs["input_ids"].shape for inputs in some.inputs] == [(8, 9), (8, 9)]
        assert (some.inputs[0]["attention_mask"].sum(axis=1) == [3, 9, 5, 3, 9, 5, 3, 9]).all()

    def test_fewer_rows_than_a_batch_are_repeated(self, data: Dataset) -> None:
        (some,) = workloads(SIGNATURE, data, batch_sizes=(32,))
        (inputs,) = some.inputs
        assert inputs["input_ids"].shape == (32, 9)
        np.testing.assert_array_equal(inputs["input_ids"][20:], inputs["input_ids"][:12])

    def test_no_more_rows_are_drawn_than_are_useful(self, tmp_path: Path) -> None:
        data = parts.dataset(tmp_path / "much", {"tune": 2 * DRAWN + 7})
        for workload in workloads(SIGNATURE, data, batch_sizes=(1, 2)):
            assert len(workload.inputs) == DRAWN

    def test_a_fixed_length_is_that_many_real_tokens(self, data: Dataset) -> None:
        (one,) = workloads(SIGNATURE, data, batch_sizes=(4,), length=16)
        assert (one.name, one.batch, one.length) == ("batch 4, 16 tokens", 4, 16)
        (inputs,) = one.inputs
        assert inputs["input_ids"].shape == (4, 16)
        assert_unpadded(inputs)

    @pytest.mark.parametrize(
        ("rows", "role"),
        [
            ({"tune": 2, "calibration": 3, "test": 4}, "tune"),
            ({"calibration": 3, "test": 4}, "calibration"),  # a file without labels
            ({"test": 4}, "test"),
            ({"tune": 0, "test": 4}, "test"),
        ],
    )
    def test_rows_that_judge_nothing_come_first(
        self, tmp_path: Path, rows: Mapping[str, int], role: Role
    ) -> None:
        data = parts.dataset(tmp_path / "data", {k: v for k, v in rows.items() if v})
        assert drawn_role(data) == role
        assert len(workloads(SIGNATURE, data, batch_sizes=(1,))[0].inputs) == rows[role]

    def test_nothing_is_drawn_from_nothing(self) -> None:
        assert drawn_role(None) is None


class TestMadeUp:
    def test_without_data(self) -> None:
        one, eight = workloads(SIGNATURE, None)
        assert (one.name, eight.name) == ("batch 1, 128 tokens", "batch 8, 128 tokens")
        for workload, batch in ((one, 1), (eight, 8)):
            (inputs,) = workload.inputs
            assert inputs["input_ids"].shape == (batch, 128)
            assert_unpadded(inputs)

    def test_equal_seeds_make_equal_inputs(self) -> None:
        def ids(seed: int) -> np.ndarray:
            return workloads(SIGNATURE, None, seed=seed)[0].inputs[0]["input_ids"]

        np.testing.assert_array_equal(ids(1), ids(1))
        assert (ids(1) != ids(2)).any()

    def test_no_longer_than_the_model_takes(self) -> None:
        workload = workloads(parts.text_signature(most=64), None, batch_sizes=(1,))[0]
        assert lengths(workload) == [64]
        assert workload.name == "batch 1, 64 tokens"
        assert workload.length == 64

    @pytest.mark.parametrize(
        ("length", "others"),
        [(30, "at most 96, in steps of 16"), (100, "at most 96"), (2, "at least 16")],
    )
    def test_a_length_that_the_model_does_not_take(
        self, data: Dataset, length: int, others: str
    ) -> None:
        sequence = Dim(name="sequence", min=16, max=100, multiple_of=16)
        signature = SIGNATURE.model_copy(update={"dims": (Dim(name="batch"), sequence)})
        near = {30: 32, 100: 96, 2: 16}[length]
        for rows in (None, data):
            with pytest.raises(UserError, match=rf"the length {length} .*{others}") as caught:
                workloads(signature, rows, batch_sizes=(1,), length=length)
            assert caught.value.hint == f"Ask for --length {near}, say."
        assert lengths(workloads(signature, None, batch_sizes=(1,), length=near)[0]) == [near]
        assert lengths(workloads(signature, None, batch_sizes=(1,))[0]) == [96]

    def test_a_model_without_bounds_takes_every_length(self) -> None:
        check_length(parts.text_signature(most=None), 5000)

    def test_inputs_of_one_size_have_no_length(self, data: Dataset) -> None:
        (workload,) = workloads(parts.vector_signature(), None, batch_sizes=(3,), length=16)
        assert (workload.name, workload.length) == ("batch 3", 0)
        assert workload.inputs[0]["x"].shape == (3, 4)
