"""Masks that hold, and masks that grow: on layers small enough to see."""

from __future__ import annotations

from typing import Any

import pytest
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
    masks.hold_gradients()
    with torch.no_grad():
        made.weight -= made.weight.grad
    masks.hold()


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
    made.bias = nn.Parameter(torch.tensor([7.0]))
    initial = [(made.weight, made.weight.detach().clone()), (made.bias, torch.tensor([5.0]))]
    masks = GrowingMasks({"a": made}, parse("unstructured"))
    descend(masks, made, [[-9.0, 0.0, 0.0]])
    masks.choose(1 / 3)
    masks.settle()
    masks.rewind(initial)
    assert made.weight.tolist() == [[1.0, 0.0, 3.0]]
    assert made.bias.tolist() == [5.0]


def sparse_masks(*made: nn.Linear, pattern: str = "unstructured", **how: Any) -> GrowingMasks:
    layers = {str(place): layer for place, layer in enumerate(made)}
    return GrowingMasks(layers, parse(pattern), sparse=True, **how)


def test_zeros_of_a_sparse_model_do_not_come_back() -> None:
    made = layer([0.0, 3.0, 1.0, 2.0])
    masks = sparse_masks(made)
    descend(masks, made, [[-9.0, 0.5, 0.5, 0.5]])
    assert made.weight.tolist() == [[0.0, 2.5, 0.5, 1.5]]
    masks.choose(0.25)
    assert made.weight.tolist() == [[0.0, 2.5, 0.5, 1.5]]
    masks.choose(0.5)
    assert made.weight.tolist() == [[0.0, 2.5, 0.0, 1.5]]
    masks.settle()
    assert set(made.state_dict()) == {"weight", "kept"}


def test_a_zero_by_chance_is_no_mask() -> None:
    made = layer([0.0, 2.0])
    masks = GrowingMasks({"a": made}, parse("unstructured"))
    descend(masks, made, [[-1.0, 0.0]])
    assert made.weight.tolist() == [[1.0, 2.0]]


def test_zeros_go_before_what_moves_towards_zero() -> None:
    made = layer([0.0, 2.0, 3.0, 4.0])
    masks = sparse_masks(made, importance="movement")
    descend(masks, made, [[0.0, 0.5, 0.5, 0.5]])  # scores 0, -1, -1.5 and -2
    masks.choose(0.5)
    assert made.weight.tolist() == [[0.0, 1.5, 2.5, 0.0]]


def test_a_zero_in_a_block_does_not_take_the_block_along() -> None:
    made = layer([0.0, 9.0, 0.0, 0.0, 1.0, 1.0])
    masks = sparse_masks(made, pattern="1x2")
    masks.choose(1 / 3)
    assert made.weight.tolist() == [[0.0, 9.0, 0.0, 0.0, 1.0, 1.0]]
    masks.choose(2 / 3)
    assert made.weight.tolist() == [[0.0, 9.0, 0.0, 0.0, 0.0, 0.0]]


def test_more_zeros_than_the_pattern_has_stay() -> None:
    made = layer([0.0, 0.0, 0.0, 2.0], [5.0, 1.0, 0.0, 2.0])
    sparse_masks(made, pattern="2:4").choose(0.5)
    assert made.weight.tolist() == [[0.0, 0.0, 0.0, 2.0], [5.0, 0.0, 0.0, 2.0]]


def test_layers_with_fewer_zeros_are_filled_up_first() -> None:
    many, few = layer([0.0, 0.0, 0.0, 4.0]), layer([1.0, 2.0, 3.0, 4.0])
    masks = sparse_masks(many, few)
    masks.choose(0.375)  # as many as there are
    assert few.weight.tolist() == [[1.0, 2.0, 3.0, 4.0]]
    masks.choose(0.625)
    assert many.weight.tolist() == [[0.0, 0.0, 0.0, 4.0]]
    assert few.weight.tolist() == [[0.0, 0.0, 3.0, 4.0]]


@pytest.mark.parametrize("importance", ["l1", "movement"])
def test_one_threshold_leaves_zeros_where_they_are(importance: str) -> None:
    first, second = layer([0.0, 0.0, 3.0, 4.0]), layer([1.0, 2.0, 0.0, 14.0])
    masks = sparse_masks(first, second, distribution="global", importance=importance)
    for made in (first, second):
        made.weight.grad = -made.weight.detach()  # large weights grow
    masks.hold_gradients()
    masks.choose(0.625)
    assert first.weight.tolist() == [[0.0, 0.0, 3.0, 4.0]]
    assert second.weight.tolist() == [[0.0, 0.0, 0.0, 14.0]]
