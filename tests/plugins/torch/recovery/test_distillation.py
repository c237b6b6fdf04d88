"""Each loss against what it is by hand."""

from __future__ import annotations

import math

import pytest
import torch

from core_plugin_torch.recovery import distillation
from core_plugin_torch.recovery.loss import Diverged, Loss
from core_plugin_torch.recovery.student import Answer


def test_soft_targets_are_a_divergence() -> None:
    teacher, student = torch.tensor([[0.0, math.log(3)]]), torch.zeros(1, 2)
    expected = 0.25 * math.log(0.25 / 0.5) + 0.75 * math.log(0.75 / 0.5)
    found = distillation.soft_targets(student, teacher, 1.0)
    assert float(found) == pytest.approx(expected, rel=1e-6)


def test_soft_targets_are_softened_and_scaled_back() -> None:
    # With T = 2, the teacher's classes are as 1 : √3.
    teacher, student = torch.tensor([[0.0, math.log(3)]]), torch.zeros(1, 2)
    share = math.sqrt(3) / (1 + math.sqrt(3))
    divergence = share * math.log(2 * share) + (1 - share) * math.log(2 * (1 - share))
    found = distillation.soft_targets(student, teacher, 2.0)
    assert float(found) == pytest.approx(4 * divergence, rel=1e-6)


def test_soft_targets_are_a_mean_over_rows() -> None:
    teacher, student = torch.tensor([[1.0, 2.0]]), torch.tensor([[2.0, 0.0]])
    one = distillation.soft_targets(student, teacher, 3.0)
    three = distillation.soft_targets(student.repeat(3, 1), teacher.repeat(3, 1), 3.0)
    assert float(three) == pytest.approx(float(one), rel=1e-6)


def test_hot_soft_targets_match_logits() -> None:
    # arXiv 1503.02531, equation 4: with logits of mean zero, 1/N · (z - v) for each row.
    teacher = torch.tensor([[1.0, -2.0, 1.0]], dtype=torch.float64)
    student = torch.tensor([[0.5, 0.5, -1.0]], dtype=torch.float64, requires_grad=True)
    distillation.soft_targets(student, teacher, 500.0).backward()
    assert student.grad is not None
    torch.testing.assert_close(
        student.grad, (student.detach() - teacher) / 3, rtol=0.01, atol=1e-3, check_dtype=False
    )


def test_hard_labels_are_cross_entropy() -> None:
    logits = torch.tensor([[0.0, math.log(3)], [0.0, 0.0]])
    expected = (-math.log(0.75) - math.log(0.5)) / 2
    found = distillation.hard_labels(logits, torch.tensor([1, 0]))
    assert float(found) == pytest.approx(expected, rel=1e-6)


def test_states_are_relative_squares() -> None:
    teacher = torch.tensor([[[3.0, 4.0], [0.0, 5.0]]])
    student = teacher + torch.tensor([[[1.0, 0.0], [0.0, 2.0]]])
    assert float(distillation.states(student, teacher)) == pytest.approx(5 / 50)
    scaled = distillation.states(10 * student, 10 * teacher)
    assert float(scaled) == pytest.approx(5 / 50)


def test_padding_teaches_nothing() -> None:
    teacher = torch.tensor([[[3.0, 4.0], [7.0, 7.0]]])
    student = torch.tensor([[[4.0, 4.0], [0.0, -9.0]]], requires_grad=True)
    loss = distillation.states(student, teacher, torch.tensor([[1, 0]]))
    assert float(loss.detach()) == pytest.approx(1 / 25)
    loss.backward()
    assert student.grad is not None
    assert student.grad[0, 1].tolist() == [0.0, 0.0]


def test_a_teacher_of_zeros_is_no_division_by_zero() -> None:
    zeros = torch.zeros(1, 2, 3)
    assert float(distillation.states(zeros, zeros)) == 0.0


@pytest.mark.parametrize(
    ("student", "teacher", "expected"),
    [
        (13, 13, tuple(range(13))),
        (5, 13, (0, 3, 6, 9, 12)),
        (3, 4, (0, 2, 3)),  # no whole number: the nearest
        (1, 7, (6,)),
    ],
)
def test_layers_are_matched_evenly(student: int, teacher: int, expected: tuple[int, ...]) -> None:
    assert distillation.layers_for(student, teacher) == expected


def test_all_states_are_the_mean_over_layers() -> None:
    teacher = [torch.full((1, 1, 2), value) for value in (1.0, 2.0, 4.0)]
    student = [teacher[0] * 2, teacher[2] * 1.5]  # layers 0 and 2
    assert float(distillation.all_states(student, teacher)) == pytest.approx((1 + 0.25) / 2)


def answer(logits: torch.Tensor, *hidden: torch.Tensor) -> Answer:
    return Answer(outputs=(logits,), hidden=hidden)


def test_the_parts_add_up() -> None:
    student = answer(torch.zeros(1, 2), torch.full((1, 1, 2), 2.0))
    teacher = answer(torch.tensor([[0.0, math.log(3)]]), torch.full((1, 1, 2), 1.0))
    labels = torch.tensor([1])
    loss = Loss(classifies=True, temperature=1.0, labels=0.25, hidden=0.5)
    soft = 0.25 * math.log(0.5) + 0.75 * math.log(1.5)
    expected = 0.75 * soft + 0.25 * math.log(2) + 0.5 * 1.0
    assert float(loss(student, teacher, None, labels)) == pytest.approx(expected, rel=1e-6)
    # Rows without labels: the original's answers alone.
    assert float(loss(student, teacher, None, None)) == pytest.approx(soft + 0.5, rel=1e-6)


def test_a_model_without_classes_imitates_its_output() -> None:
    loss = Loss(classifies=False, temperature=1.0, labels=0.5, hidden=0.0)
    student, teacher = answer(torch.full((1, 2, 2), 3.0)), answer(torch.full((1, 2, 2), 2.0))
    assert float(loss(student, teacher, None, torch.tensor([0]))) == pytest.approx(0.25)


def test_a_loss_that_is_no_number_stops() -> None:
    loss = Loss(classifies=True, temperature=1.0, labels=0.0, hidden=0.0)
    with pytest.raises(Diverged):
        loss(answer(torch.tensor([[math.nan, 0.0]])), answer(torch.zeros(1, 2)), None, None)
