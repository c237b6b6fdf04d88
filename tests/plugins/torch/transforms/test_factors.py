"""Truncated singular value decomposition against cases with a closed form."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from core_plugin_torch.lowrank.factors import (
    decompose,
    rank_of_energy,
    rank_of_share,
    saves,
)


def _random(rows: int, columns: int, *, seed: int = 0) -> Tensor:
    return torch.randn(rows, columns, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("shape", [(12, 7), (7, 12), (9, 9)])
def test_a_matrix_of_rank_r_is_exact_with_r(shape: tuple[int, int]) -> None:
    weight = _random(shape[0], 3) @ _random(3, shape[1], seed=1)
    found = decompose(weight)
    factors = found.truncated(3)
    torch.testing.assert_close(factors.product(), weight, rtol=1e-4, atol=1e-5)
    assert factors.energy == pytest.approx(1)
    assert (factors.rank, factors.parameters) == (3, 3 * sum(shape))
    assert rank_of_energy(found.energies, 1.0) == 3


def test_the_energy_of_a_diagonal_is_its_squares() -> None:
    """16 + 9 + 4 + 1 = 30."""
    found = decompose(torch.diag(torch.tensor([-3.0, 1.0, 4.0, 2.0])))
    torch.testing.assert_close(found.energies.float(), torch.tensor([16, 25, 29, 30]) / 30)
    best = torch.diag(torch.tensor([-3.0, 0.0, 4.0, 0.0]))
    torch.testing.assert_close(found.truncated(2).product(), best)
    assert [rank_of_energy(found.energies, e) for e in (0.5, 0.54, 0.83, 0.84, 1)] == [
        1,
        2,
        2,
        3,
        4,
    ]


def test_what_is_lost_is_the_energy_that_is_cut_off() -> None:
    weight = _random(10, 14)
    found = decompose(weight)
    for rank in (1, 4, 9):
        factors = found.truncated(rank)
        lost = float((weight - factors.product()).square().sum() / weight.square().sum())
        assert factors.energy == pytest.approx(1 - lost, abs=1e-6)


def test_both_factors_are_alike() -> None:
    factors = decompose(_random(10, 14) * 100).truncated(5)
    torch.testing.assert_close(factors.outer.norm(dim=0), factors.inner.norm(dim=1))


def test_zeros_have_all_their_energy() -> None:
    found = decompose(torch.zeros(4, 6))
    assert rank_of_energy(found.energies, 0.9) == 1
    assert not found.truncated(1).product().any()


def test_inputs_decide_what_is_kept() -> None:
    """Of a diagonal, the larger products of weight and input stay, not the larger weights."""
    weight = torch.diag(torch.tensor([3.0, 2.0, 1.0]))
    inputs = torch.diag(torch.tensor([0.1, 1.0, 10.0]))
    kept = decompose(weight, inputs.T @ inputs).truncated(2).product()
    torch.testing.assert_close(kept, torch.diag(torch.tensor([0.0, 2.0, 1.0])))


def test_the_error_on_the_inputs_is_less_than_that_of_the_weights_alone() -> None:
    weight, inputs = _random(12, 16), _random(200, 16, seed=1) @ _random(16, 16, seed=2)
    plain, aware = (
        float((inputs @ (weight - decompose(weight, gram).truncated(4).product()).T).norm())
        for gram in (None, inputs.T @ inputs)
    )
    assert aware < 0.8 * plain


def test_few_inputs_are_answered_exactly_and_the_rest_is_not_forgotten() -> None:
    """Two rows span two of eight dimensions: rank 2 is enough for them."""
    weight, inputs = _random(8, 8), _random(2, 8, seed=1)
    kept = decompose(weight, inputs.T @ inputs).truncated(4).product()
    error = (inputs @ (weight - kept).T).norm() / (inputs @ weight.T).norm()
    assert error < 0.02
    assert torch.linalg.matrix_rank(kept) == 4


def test_inputs_of_zeros_say_nothing() -> None:
    weight = _random(6, 5)
    plain, aware = (decompose(weight, gram).truncated(2) for gram in (None, torch.zeros(5, 5)))
    torch.testing.assert_close(aware.product(), plain.product())


@given(st.integers(1, 200), st.integers(1, 200), st.floats(0.01, 0.99))
def test_a_share_is_kept_to(outputs: int, inputs: int, share: float) -> None:
    rank = rank_of_share(outputs, inputs, share)
    assert rank == 1 or rank * (outputs + inputs) <= share * outputs * inputs
    assert (rank + 1) * (outputs + inputs) > share * outputs * inputs
    assert rank == 1 or saves(outputs, inputs, rank)


def test_factors_of_half_the_rank_of_a_square_save_nothing() -> None:
    """r · 2n < n² for r below n / 2."""
    assert saves(8, 8, 3)
    assert not saves(8, 8, 4)
    assert not saves(1, 100, 1)
