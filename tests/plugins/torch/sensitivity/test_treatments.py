"""What a weight becomes, against cases that can be done by hand."""

from __future__ import annotations

import pytest
import torch

from core_plugin_torch.sensitivity.treatments import rounded_in_groups, treated
from core_plugin_torch.sparsity.patterns import Blocks
from hwcore.contract import TREATMENTS, Treatment

SINGLE = Blocks()


def treat(weight: torch.Tensor, treatment: Treatment, blocks: Blocks = SINGLE) -> torch.Tensor:
    return treated(weight, treatment, blocks=blocks, group_size=4)


def test_int8_has_a_step_for_each_output() -> None:
    weight = torch.tensor([[127.0, 0.4, -0.6], [1.27, 0.004, -0.006]])
    expected = torch.tensor([[127.0, 0.0, -1.0], [1.27, 0.0, -0.01]])
    torch.testing.assert_close(treat(weight, "int8"), expected)


def test_int4_has_sixteen_values_from_the_least_to_the_largest_of_a_group() -> None:
    weight = torch.tensor([[0.0, 15.0, 7.4, 7.6, -1.5, 0.0, 0.04, 0.06]])
    expected = torch.tensor([[0.0, 15.0, 7.0, 8.0, -1.5, 0.0, 0.0, 0.1]])
    found = treat(weight, "int4")
    torch.testing.assert_close(found[:, :4], expected[:, :4])
    assert found[0, 4:].unique().numel() <= 16
    assert found[0, 5] == 0
    assert (found - weight).abs().max() <= 0.5 + 1e-6


def test_int4_groups_divide_the_inputs_and_hold_zero() -> None:
    weight = torch.full((2, 6), 3.0)
    # Groups of 2, which divides 6: a range of 0 … 3 has 3 as its largest value.
    torch.testing.assert_close(rounded_in_groups(weight, 4), weight)
    torch.testing.assert_close(rounded_in_groups(torch.zeros(2, 6), 4), torch.zeros(2, 6))


@pytest.mark.parametrize(
    ("treatment", "zeros"), [("zeros-50", 10), ("zeros-75", 15), ("zeros-90", 18), ("zeros-95", 19)]
)
def test_the_smallest_weights_become_zero(treatment: Treatment, zeros: int) -> None:
    weight = torch.arange(1.0, 21.0).reshape(4, 5) * torch.tensor([1, -1, 1, -1, 1])
    found = treat(weight, treatment)
    assert int((found == 0).sum()) == zeros
    assert torch.equal(found.flatten()[zeros:], weight.flatten()[zeros:])


def test_blocks_become_zero_as_a_whole() -> None:
    weight = torch.tensor([[9.0, 0.0, 2.0, 2.0], [3.0, 3.0, 8.0, 8.0]])
    found = treat(weight, "zeros-50", Blocks(1, 2))
    assert found.tolist() == [[9.0, 0.0, 0.0, 0.0], [0.0, 0.0, 8.0, 8.0]]


@pytest.mark.parametrize("treatment", TREATMENTS)
@pytest.mark.parametrize("shape", [(4, 8), (4, 2, 2, 2)])
def test_shapes_stay_and_the_weight_is_left_alone(
    treatment: Treatment, shape: tuple[int, ...]
) -> None:
    weight = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    before = weight.clone()
    found = treat(weight, treatment)
    assert found.shape == weight.shape
    assert not torch.equal(found, weight)
    assert torch.equal(weight, before)
