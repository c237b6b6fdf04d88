"""Masks that hold, and masks that grow: on layers small enough to see."""

from __future__ import annotations

import torch
from torch import nn

from core_plugin_torch.recovery.masks import GrowingMasks, Masks
from core_plugin_torch.sparsity.patterns import parse


def layer(*rows: list[float]) -> nn.Linear:
    made = nn.Linear(len(rows[0]), len(rows), bias=False)
    made.weight.data = torch.tensor(rows)
    return made


def descend(masks: GrowingMasks, made: nn.Linear, gradient: list[list[float]]) -> None:
    """One step of plain gradient descent, as a training takes it."""
    made.weight.grad = torch.tensor(gradient)
    masks.before_update()
    with torch.no_grad():
        made.weight -= made.weight.grad
    masks.after_update()


def test_zeros_that_were_there_stay() -> None:
    made = layer([0.0, 2.0, 0.0, -1.0])
    masks = Masks({"a": made})
    made.weight.grad = torch.ones(1, 4)
    masks.hold_gradients()
    assert made.weight.grad.tolist() == [[0.0, 1.0, 0.0, 1.0]]
    with torch.no_grad():
        made.weight += 5
    masks.hold()
    assert made.weight.tolist() == [[0.0, 7.0, 0.0, 4.0]]


def test_nothing_is_left_in_the_layers() -> None:
    made = layer([0.0, 2.0])
    masks = GrowingMasks({"a": made}, parse("unstructured"), importance="movement")
    masks.choose(0.5)
    masks.release()
    assert list(made.state_dict()) == ["weight"]
    assert made.weight.tolist() == [[0.0, 2.0]]


def test_small_blocks_go_first() -> None:
    made = layer([1.0, 1.0, 3.0, 0.0], [0.5, 0.0, 9.0, 9.0])
    masks = GrowingMasks({"a": made}, parse("1x2"))
    masks.choose(0.25)
    assert made.weight.tolist() == [[1.0, 1.0, 3.0, 0.0], [0.0, 0.0, 9.0, 9.0]]
    masks.choose(0.5)
    assert made.weight.tolist() == [[0.0, 0.0, 3.0, 0.0], [0.0, 0.0, 9.0, 9.0]]


def test_what_is_masked_may_come_back() -> None:
    made = layer([1.0, 2.0])
    masks = GrowingMasks({"a": made}, parse("unstructured"))
    masks.choose(0.5)
    assert made.weight.tolist() == [[0.0, 2.0]]
    descend(masks, made, [[7.0, 1.5]])  # what is masked gets no update
    assert made.weight.tolist() == [[0.0, 0.5]]
    masks.choose(0.5)
    assert made.weight.tolist() == [[1.0, 0.0]]


def test_masks_that_are_settled_stay() -> None:
    made = layer([1.0, 2.0])
    masks = GrowingMasks({"a": made}, parse("unstructured"))
    masks.choose(0.5)
    masks.settle()
    descend(masks, made, [[7.0, 1.5]])
    assert made.weight.tolist() == [[0.0, 0.5]]
    assert set(made.state_dict()) == {"weight", "kept"}


def test_movement_keeps_what_grows() -> None:
    made = layer([1.0, 2.0])
    masks = GrowingMasks({"a": made}, parse("unstructured"), importance="movement")
    # -w · gradient: the first moves away from zero, the second towards it.
    descend(masks, made, [[-0.1, 0.1]])
    masks.choose(0.5)
    assert made.weight[0, 1] == 0.0
    assert made.weight[0, 0] > 1.0


def test_movement_sees_what_is_masked() -> None:
    made = layer([1.0, 2.0])
    masks = GrowingMasks({"a": made}, parse("unstructured"), importance="movement")
    masks.choose(0.5)  # nothing has moved yet: the small go
    assert made.weight.tolist() == [[0.0, 2.0]]
    descend(masks, made, [[-5.0, 0.5]])  # the loss would fall if the first came back
    masks.choose(0.5)
    assert made.weight.tolist() == [[1.0, 0.0]]


def test_n_of_m_is_reached_one_by_one() -> None:
    made = layer([4.0, 1.0, 3.0, 2.0])
    masks = GrowingMasks({"a": made}, parse("2:4"))
    masks.choose(0.2)
    assert made.weight.tolist() == [[4.0, 1.0, 3.0, 2.0]]
    masks.choose(0.3)
    assert made.weight.tolist() == [[4.0, 0.0, 3.0, 2.0]]
    masks.choose(0.5)
    assert made.weight.tolist() == [[4.0, 0.0, 3.0, 0.0]]


def test_one_threshold_for_all_layers() -> None:
    small, large = layer([1.0, 2.0, 3.0, 4.0]), layer([11.0, 12.0, 13.0, 14.0])
    masks = GrowingMasks(
        {"small": small, "large": large}, parse("unstructured"), distribution="global"
    )
    masks.choose(0.375)
    assert small.weight.tolist() == [[0.0, 0.0, 0.0, 4.0]]
    assert large.weight.tolist() == [[11.0, 12.0, 13.0, 14.0]]


def test_a_ticket_is_rewound() -> None:
    made = layer([1.0, 2.0, 3.0])
    initial = {"a": made.weight.detach().clone()}
    masks = GrowingMasks({"a": made}, parse("unstructured"))
    descend(masks, made, [[-9.0, 0.0, 0.0]])
    masks.choose(1 / 3)
    masks.settle()
    masks.rewind(initial)
    assert made.weight.tolist() == [[1.0, 0.0, 3.0]]
