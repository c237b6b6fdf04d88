"""Units: their importance by hand, and which stay."""

from __future__ import annotations

import torch

from core_plugin_torch.sparsity import importance
from core_plugin_torch.sparsity import units as u


def test_a_units_norm_is_taken_over_all_that_goes_with_it() -> None:
    rows = [torch.tensor([[1.0, 2.0], [0.0, 1.0], [3.0, 0.0], [0.0, 0.0]])]
    columns = torch.tensor([[1.0, 0.0, -2.0, 1.0]])
    assert u.units(rows, columns, 2, importance.l1).tolist() == [5.0, 6.0]
    assert u.units(rows, columns, 2, importance.l2).tolist() == [7.0, 14.0]
    assert u.units([*rows, rows[0]], columns, 1, importance.l1).tolist() == [7.0, 2.0, 8.0, 1.0]


def test_a_contribution_is_the_column_times_its_input() -> None:
    columns = torch.tensor([[3.0, 0.0, 1.0, 0.0], [4.0, 1.0, 0.0, 0.0]])
    found = u.contributions(columns, torch.tensor([1.0, 2.0, 10.0, 100.0]), 2)
    assert found.tolist() == [7.0, 10.0]


def test_filters_and_their_channels() -> None:
    weight = torch.zeros(2, 3, 1, 1)
    weight[0, :, 0, 0] = torch.tensor([1.0, -2.0, 0.0])
    weight[1, :, 0, 0] = torch.tensor([0.0, 4.0, 8.0])
    assert u.filters(weight, importance.l1).tolist() == [3.0, 12.0]
    assert u.input_channels(weight, importance.l1).tolist() == [1.0, 6.0, 8.0]


def test_one_unit_stays_at_least() -> None:
    scores = torch.tensor([3.0, 1.0, 2.0, 4.0])
    assert u.kept(scores, 0.5).tolist() == [0, 3]
    assert u.kept(scores, 0.0).tolist() == [0, 1, 2, 3]
    assert u.kept(scores, 0.99).tolist() == [3]


def test_places_of_elements() -> None:
    left = torch.tensor([0, 2])
    assert u.spread_out(left, 2).tolist() == [0, 1, 4, 5]
    assert u.stacked(left, 3, 2).tolist() == [0, 2, 3, 5]
