"""Judging: what counts as worse, and that doubt counts as worse."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import parts
import pytest

from hwcore.contract import Array, Arrays, Dim, Metric, PluginError, Signature, UserError
from hwcore.data import example_inputs
from hwcore.evaluate import Answers, Quality, answers, judge, paired_bound
from hwcore.evaluate.judge import MADE_UP_ROWS

ACCURACY, F1 = Metric(name="accuracy"), Metric(name="f1")


def logits(*classes: int, of: int = 2) -> list[Array]:
    """One row of logits per class id, saying that class."""
    return [np.eye(of, dtype=np.float32)[c] * 3 for c in classes]


def labelled(rows: list[Array], labels: Sequence[int]) -> Answers:
    return Answers(rows, np.asarray(labels, np.int64))


class TestAgreement:
    def test_identical(self) -> None:
        same = Answers(logits(0, 1, 1, 0), None)
        assert judge(same, same, None) == Quality(
            metric="agreement",
            value=1.0,
            reference=1.0,
            drop=0.0,
            drop_bound=paired_bound(0, 0, 4),
            rows=4,
            cosine=1.0,
            max_error=0.0,
            changed=0,
        )

    def test_one_flipped(self) -> None:
        found = judge(Answers(logits(0, 1, 1, 1), None), Answers(logits(0, 1, 1, 0), None), None)
        assert found.metric == "agreement"
        assert (found.value, found.drop, found.changed) == (0.75, 0.25, 1)
        assert found.drop_bound == paired_bound(1, 0, 4)
        assert found.cosine == 0.75
        assert found.max_error == 3.0

    def test_small_errors_change_no_answer(self) -> None:
        reference = Answers(logits(0, 1, 1, 0), None)
        found = judge(Answers([row + 0.01 for row in reference.outputs], None), reference, None)
        assert found.changed == 0
        assert found.max_error == pytest.approx(0.01, rel=1e-4)
        assert 0.99 < found.cosine < 1


class TestLabelled:
    LABELS = (0, 1, 1, 0, 1)
    REFERENCE = labelled(logits(0, 1, 1, 0, 0), LABELS)  # four of five right

    def test_accuracy_pairs_rows(self) -> None:
        candidate = labelled(logits(1, 1, 1, 1, 1), self.LABELS)  # loses two, gains one
        found = judge(candidate, self.REFERENCE, ACCURACY)
        assert found.metric == "accuracy"
        assert found.reference == pytest.approx(0.8)
        assert found.value == pytest.approx(0.6)
        assert found.drop == pytest.approx(0.2)
        assert found.drop_bound == paired_bound(2, 1, 5)
        assert found.changed == 3

    def test_being_right_more_often_is_a_negative_drop(self) -> None:
        found = judge(labelled(logits(*self.LABELS), self.LABELS), self.REFERENCE, ACCURACY)
        assert found.drop == pytest.approx(-0.2)
        assert found.drop_bound == paired_bound(0, 1, 5)

    def test_a_wrong_answer_that_stays_wrong_is_no_drop(self) -> None:
        before = labelled(logits(0, 1, of=3), [2, 1])
        after = labelled(logits(1, 1, of=3), [2, 1])
        found = judge(after, before, ACCURACY)
        assert (found.drop, found.changed) == (0.0, 1)
        assert found.drop_bound == paired_bound(0, 0, 2)

    def test_f1(self) -> None:
        rng = np.random.default_rng(0)
        labels = rng.integers(0, 2, 60).tolist()
        reference = labelled(logits(*labels), labels)
        wrong = [1 - label if place % 6 == 0 else label for place, label in enumerate(labels)]
        found = judge(labelled(logits(*wrong), labels), reference, F1)
        assert found.metric == "f1"
        assert found.reference == 1.0
        assert found.value == pytest.approx(5 / 6, abs=0.02)
        assert found.drop < found.drop_bound < found.drop + 0.15
        assert judge(reference, reference, F1).drop_bound == paired_bound(0, 0, 60)


class TestFailsClosed:
    SEQUENCES = Answers([np.ones((n, 4), np.float32) for n in (2, 5, 3, 4, 6)], None)

    @pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf])
    @pytest.mark.parametrize("metric", [None, ACCURACY, F1])
    def test_one_number_that_is_none(self, number: float, metric: Metric | None) -> None:
        reference = labelled(logits(0, 1, 1), [0, 1, 1])
        broken = labelled([row.copy() for row in reference.outputs], [0, 1, 1])
        broken.outputs[2][0] = number
        found = judge(broken, reference, metric)
        assert (found.value, found.drop, found.drop_bound) == (0.0, 1.0, 1.0)
        assert found.changed == found.rows == 3
        assert found.cosine == 0.0
        assert Quality.model_validate_json(found.model_dump_json()) == found

    @pytest.mark.parametrize("metric", [None, ACCURACY])
    def test_a_reference_that_is_broken_judges_nobody(self, metric: Metric | None) -> None:
        broken = labelled([np.full(2, np.nan, np.float32)] * 3, [0, 0, 0])
        found = judge(labelled(logits(0, 0, 0), [0, 0, 0]), broken, metric)
        assert found.drop_bound == 1.0
        assert Quality.model_validate_json(found.model_dump_json()) == found

    def test_sequences(self) -> None:
        broken = Answers([row.copy() for row in self.SEQUENCES.outputs], None)
        broken.outputs[0][1, 1] = np.nan
        found = judge(broken, self.SEQUENCES, None)
        assert found.drop_bound == 1.0
        assert found.value == 0.0

    def test_too_few_sequences_prove_nothing(self) -> None:
        few = Answers(self.SEQUENCES.outputs[:1], None)
        found = judge(few, few, None)
        assert found.drop == pytest.approx(0)
        assert found.drop_bound == 2.0  # the cosine's whole range
        assert Quality.model_validate_json(found.model_dump_json()) == found

    def test_answers_of_another_shape(self) -> None:
        with pytest.raises(PluginError, match=r"answers of shape \(3,\), its reference \(2,\)"):
            judge(Answers(logits(0, 1, of=3), None), Answers(logits(0, 1), None), None)

    def test_answers_to_fewer_rows(self) -> None:
        with pytest.raises(PluginError, match="2 answers, its reference 3"):
            judge(Answers(logits(0, 1), None), Answers(logits(0, 1, 1), None), None)
        with pytest.raises(PluginError, match="1 answer, its reference 3"):
            judge(Answers(logits(0), None), Answers(logits(0, 1, 1), None), None)


class TestSequences:
    def test_the_cosine_of_each_row_counts_once(self) -> None:
        rng = np.random.default_rng(0)
        before = [rng.normal(size=(n, 4)).astype(np.float32) for n in (2, 9, 3, 3, 5, 7)]
        after = [-before[0], *(2 * row for row in before[1:])]
        found = judge(Answers(after, None), Answers(before, None), None)
        assert found.metric == "cosine"
        assert found.changed is None
        assert found.value == pytest.approx((5 - 1) / 6)
        assert found.drop == pytest.approx(2 / 6)
        assert found.drop < found.drop_bound <= 2

    def test_rows_of_zeros_agree_with_each_other_only(self) -> None:
        zeros = Answers([np.zeros((2, 3), np.float32)] * 5, None)
        ones = Answers([np.ones((2, 3), np.float32)] * 5, None)
        assert judge(zeros, zeros, None).cosine == 1.0
        assert judge(zeros, ones, None).cosine == 0.0


class Echo:
    """A runner that answers each token by its id, and rubbish where there is padding."""

    def __init__(self, *, sequence: Dim | None = None, batch: int | str = "batch") -> None:
        text = parts.text_signature()
        hidden = text.outputs[0].model_copy(
            update={"name": "hidden", "shape": (batch, "sequence", 1)}
        )
        inputs = tuple(
            spec.model_copy(update={"shape": (batch, "sequence")}) for spec in text.inputs
        )
        self.signature = Signature(
            inputs=inputs,
            outputs=(hidden,),
            dims=(Dim(name="batch"), sequence or Dim(name="sequence", max=64)),
        )
        self.seen: list[Arrays] = []

    def __call__(self, inputs: Arrays, outputs: Sequence[str] | None = None) -> dict[str, Array]:
        self.signature.bind(inputs)
        self.seen.append(inputs)
        values = np.where(inputs["attention_mask"] > 0, inputs["input_ids"], -1e9)
        return {"hidden": values[..., None].astype(np.float32)}

    def close(self) -> None: ...


class Classify:
    """A runner whose logits say whether the first token's id is odd."""

    signature = parts.text_signature()

    def __call__(self, inputs: Arrays, outputs: Sequence[str] | None = None) -> dict[str, Array]:
        return {"logits": np.eye(2, dtype=np.float32)[inputs["input_ids"][:, 0] % 2]}

    def close(self) -> None: ...


class TestAnswers:
    @pytest.fixture
    def data(self, tmp_path: Path) -> Any:
        return parts.dataset(tmp_path / "data", {"test": 10, "tune": 4}, lengths=(3, 9, 5, 7))

    def test_padding_is_nobodys_answer(self, data: Any) -> None:
        alone, together = answers(Echo(), data), answers(Echo(), data, batch_size=4)
        assert [len(row) for row in together.outputs] == [3, 9, 5, 7, 3, 9, 5, 7, 3, 9]
        for one, other in zip(alone.outputs, together.outputs, strict=True):
            np.testing.assert_array_equal(one, other)
            assert (one > 0).all()
        assert judge(together, alone, None).max_error == 0.0

    def test_a_runner_that_pads_further_gives_the_same(self, data: Any) -> None:
        wide = Echo(sequence=Dim(name="sequence", min=8, max=64, multiple_of=8))
        found = judge(answers(wide, data), answers(Echo(), data), None)
        assert found.max_error == 0.0

    def test_rows_that_only_fill_a_batch_are_dropped(self, data: Any) -> None:
        fixed = Echo(batch=4)
        found = answers(fixed, data)
        assert {inputs["input_ids"].shape[0] for inputs in fixed.seen} == {4}
        assert judge(found, answers(Echo(), data), None).max_error == 0.0

    def test_a_model_of_several_outputs_is_not_judged_by_one_of_them(self, data: Any) -> None:
        runner = Echo()
        [hidden] = runner.signature.outputs
        both = (hidden, hidden.model_copy(update={"name": "other"}))
        runner.signature = runner.signature.model_copy(update={"outputs": both})
        with pytest.raises(UserError) as caught:
            answers(runner, data)
        assert caught.value.message == (
            "the model has several outputs, hidden, other, and is judged by one"
        )
        assert caught.value.hint == "Export it with that output alone."
        assert runner.seen == []

    def test_role_and_limit(self, data: Any) -> None:
        assert len(answers(Echo(), data).outputs) == 10
        assert len(answers(Echo(), data, role="tune").outputs) == 4
        assert len(answers(Echo(), data, limit=3).outputs) == 3
        assert len(answers(Echo(), data, limit=99).outputs) == 10

    def test_labels_go_with_their_rows(self, data: Any) -> None:
        alone, together = answers(Classify(), data), answers(Classify(), data, batch_size=3)
        assert alone.labels is not None
        assert together.labels is not None
        np.testing.assert_array_equal(alone.labels, together.labels)
        assert together.flat
        np.testing.assert_array_equal(together.stacked, np.stack(alone.outputs))

    def test_without_labels(self, tmp_path: Path) -> None:
        data = parts.dataset(tmp_path / "bare", {"test": 3}, labelled=False)
        assert answers(Classify(), data).labels is None

    @pytest.mark.parametrize("limit", [None, 4])
    def test_progress_ends_at_one(self, data: Any, limit: int | None) -> None:
        for some in (data, None):
            seen: list[float] = []
            answers(Classify(), some, limit=limit, batch_size=3, progress=seen.append)
            assert seen == sorted(seen)
            assert seen[-1] == 1.0


class TestMadeUp:
    def test_the_same_every_time_and_unlike_in_length(self) -> None:
        one, two = answers(Echo(), None), answers(Echo(), None)
        assert len(one.outputs) == MADE_UP_ROWS
        assert judge(one, two, None).max_error == 0.0
        assert len({len(row) for row in one.outputs}) > 8

    @pytest.mark.parametrize(
        "sequence",
        [
            Dim(name="sequence", min=16, max=20),
            Dim(name="sequence", max=20, multiple_of=16),
            Dim(name="sequence"),
        ],
    )
    def test_sizes_are_those_that_the_model_takes(self, sequence: Dim) -> None:
        assert len(answers(Echo(sequence=sequence), None).outputs) == MADE_UP_ROWS

    def test_limit(self) -> None:
        assert len(answers(Echo(), None, limit=3).outputs) == 3

    def test_inputs_that_are_no_text(self) -> None:
        signature = parts.vector_signature()

        class Double:
            def __init__(self) -> None:
                self.signature = signature

            def __call__(
                self, inputs: Arrays, outputs: Sequence[str] | None = None
            ) -> dict[str, Array]:
                return {"y": inputs["x"][:, :3] * 2}

            def close(self) -> None: ...

        found = answers(Double(), None)
        expected = example_inputs(signature, {"batch": 1}, seed=5)["x"][0, :3] * 2
        np.testing.assert_array_equal(found.outputs[5], expected)
