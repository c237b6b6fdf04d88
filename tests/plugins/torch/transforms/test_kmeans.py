"""k-means on a line: exact where there is an answer, and never worse than its neighbours."""

from __future__ import annotations

import itertools

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from core_plugin_torch.cluster.kmeans import cluster, cluster_with_zero

NUMBERS = st.lists(st.floats(-1000, 1000, width=32), min_size=1, max_size=60)


def _error(numbers: Tensor, decoded: Tensor) -> float:
    return float((numbers.double() - decoded.double()).square().sum())


@given(NUMBERS, st.sampled_from([4, 16, 256]))
def test_few_different_numbers_are_exact(numbers: list[float], count: int) -> None:
    few = torch.tensor(numbers[:count]).repeat(3)
    found = cluster(few, count)
    assert torch.equal(found.decoded(), few)
    assert found.codes.dtype == torch.uint8
    assert len(found.values) == count


def test_far_numbers_do_not_leave_values_unused() -> None:
    """Evenly from 0 to 1000, three of four values would have nothing near them."""
    numbers = torch.tensor([0.0, 0.1, 1.0, 1.1, 2.0, 2.1, 1000.0])
    found = cluster(numbers, 4)
    torch.testing.assert_close(found.values, torch.tensor([0.05, 1.05, 2.05, 1000]))
    assert found.codes.tolist() == [0, 0, 1, 1, 2, 2, 3]


@given(NUMBERS, st.integers(2, 9))
def test_values_are_means_of_what_is_nearest(numbers: list[float], count: int) -> None:
    given_ = torch.tensor(numbers)
    found = cluster(given_, count)
    used = sorted({*found.codes.tolist()})
    values = found.values[used]
    distances = (given_[:, None].double() - values.double()).abs()
    chosen = (given_ - found.decoded()).abs().double()
    torch.testing.assert_close(chosen, distances.amin(1), rtol=1e-4, atol=1e-3)
    for code in used:
        mean = given_[found.codes == code].double().mean().float()
        torch.testing.assert_close(found.values[code], mean, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("seed", range(5))
def test_it_is_near_the_best_that_there_is(seed: int) -> None:
    """Of all ways to cut sorted numbers into intervals; Lloyd's rounds end in a local minimum."""
    numbers = torch.randn(14, generator=torch.Generator().manual_seed(seed)).sort().values
    best = min(
        sum(_error(part, part.mean()) for part in numbers.tensor_split(list(cuts)))
        for cuts in itertools.combinations(range(1, 14), 3)
    )
    assert _error(numbers, cluster(numbers, 4).decoded()) <= 1.5 * best


def test_more_values_have_a_smaller_error() -> None:
    """On normal numbers about that of Max's table (IRE Transactions on Information Theory 6,
    1960): 0.1175, 0.03454, 0.009497 of the variance for 4, 8 and 16 levels."""
    numbers = torch.randn(200_000, generator=torch.Generator().manual_seed(0))
    errors = [
        _error(numbers, cluster(numbers, count).decoded()) / len(numbers) for count in (4, 8, 16)
    ]
    assert errors == pytest.approx([0.1175, 0.03454, 0.009497], rel=0.02)


def test_the_same_numbers_give_the_same_values_in_any_order() -> None:
    numbers = torch.randn(1000, generator=torch.Generator().manual_seed(0))
    order = torch.randperm(1000, generator=torch.Generator().manual_seed(1))
    one, other = cluster(numbers, 8), cluster(numbers[order].reshape(10, 100), 8)
    assert torch.equal(one.values, other.values)
    assert torch.equal(one.codes[order].reshape(10, 100), other.codes)


@given(NUMBERS, st.lists(st.booleans(), min_size=1, max_size=60), st.integers(4, 16))
def test_zeros_and_nothing_else_become_zero(
    numbers: list[float], mask: list[bool], count: int
) -> None:
    pruned = torch.tensor([n if keep else 0.0 for n, keep in zip(numbers, mask, strict=False)])
    found = cluster_with_zero(pruned, count)
    assert found.values[0] == 0
    assert torch.equal(found.codes == 0, pruned == 0)
    kept = pruned[pruned != 0]
    rest = cluster(kept, count - 1)
    assert torch.equal(found.decoded()[pruned != 0], rest.decoded())


def test_a_weight_of_zeros() -> None:
    found = cluster_with_zero(torch.zeros(3, 5), 4)
    assert not found.decoded().any()
    assert found.codes.shape == (3, 5)
