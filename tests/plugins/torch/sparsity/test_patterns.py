"""Patterns: what goes, how many, and what cannot be."""

from __future__ import annotations

import pytest
import torch

from core_plugin_torch.sparsity import patterns
from core_plugin_torch.sparsity.patterns import Blocks, NofM, parse
from hwcore.contract import UserError


@pytest.mark.parametrize(
    ("name", "pattern"),
    [
        ("unstructured", Blocks(1, 1)),
        ("1x1", Blocks(1, 1)),
        ("1x4", Blocks(1, 4)),
        ("16x1", Blocks(16, 1)),
        ("2:4", NofM(2, 4)),
    ],
)
def test_names(name: str, pattern: patterns.Pattern) -> None:
    assert parse(name) == pattern
    assert parse(str(pattern)) == pattern


@pytest.mark.parametrize("name", ["", "4", "0x4", "2:", "-1:4", "2:4:8", "1X4", "block"])
def test_names_that_are_none(name: str) -> None:
    with pytest.raises(UserError, match="there is no sparsity pattern") as caught:
        parse(name)
    assert "2:4" in str(caught.value.hint)


def test_n_of_m_leaves_something_out() -> None:
    with pytest.raises(UserError, match="the sparsity pattern 4:4 leaves nothing out"):
        parse("4:4")


def test_the_smallest_weights_go() -> None:
    scores = torch.tensor([[4.0, 1.0, 3.0], [2.0, 6.0, 5.0]])
    assert Blocks().mask(scores, 0.5).tolist() == [[True, False, False], [False, True, True]]


def test_of_equals_the_first_go() -> None:
    assert Blocks().mask(torch.ones(2, 3), 0.5).tolist() == [[False] * 3, [True] * 3]


def test_each_row_loses_as_many() -> None:
    scores = torch.tensor([[1.0, 2.0, 3.0, 4.0], [5.0, 6.0, 7.0, 8.0]])
    assert Blocks().mask(scores, 0.5, per_row=True).tolist() == [[False, False, True, True]] * 2


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        (Blocks(1, 2), [[True, True, False, False], [False, False, True, True]]),
        (Blocks(2, 1), [[True, False, False, True], [True, False, False, True]]),
        (Blocks(2, 2), [[True, True, False, False], [True, True, False, False]]),
    ],
)
def test_blocks_go_by_their_sum(pattern: Blocks, expected: list[list[bool]]) -> None:
    scores = torch.tensor([[9.0, 0.0, 1.0, 2.0], [1.0, 3.0, 0.0, 8.0]])
    assert pattern.mask(scores, 0.5).tolist() == expected


def test_two_of_four_stay() -> None:
    scores = torch.tensor([[1.0, 4.0, 3.0, 2.0, 8.0, 7.0, 6.0, 5.0]])
    expected = [[False, True, True, False, True, True, False, False]]
    assert NofM(2, 4).mask(scores, 0.5).tolist() == expected


@pytest.mark.parametrize("name", ["unstructured", "1x4", "4x1", "4x4", "2:4", "1:4"])
def test_a_mask_follows_its_own_pattern(name: str) -> None:
    pattern = parse(name)
    weight = torch.randn(16, 24, generator=torch.Generator().manual_seed(0))
    share = pattern.fixed_share or 0.75
    pruned = weight * pattern.mask(weight.abs(), share)
    assert pattern.followed_by(pruned)
    assert patterns.share_of_zeros(pruned) == share


@pytest.mark.parametrize(("name", "other"), [("1x4", "4x1"), ("4x1", "1x4"), ("2:4", "4x4")])
def test_another_patterns_zeros_are_told_apart(name: str, other: str) -> None:
    weight = torch.randn(16, 24, generator=torch.Generator().manual_seed(0))
    zeros = weight * parse(other).mask(weight.abs(), 0.5)
    assert not parse(name).followed_by(zeros)
    assert patterns.measured(parse(name), zeros) == "unstructured"
    assert patterns.measured(parse(other), zeros) == other


@pytest.mark.parametrize("shape", [(6, 8), (6, 4, 3, 3)])
def test_whole_outputs_and_inputs_are_told_from_other_zeros(shape: tuple[int, ...]) -> None:
    weight = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    weight[2], weight[:, 1] = 0, 0
    assert patterns.measured(None, weight) == "structured"
    weight.view(6, -1)[0, 0] = 0
    assert patterns.measured(None, weight) == "unstructured"
    assert patterns.measured(None, torch.zeros(shape)) == "structured"


def test_a_pattern_that_does_not_divide() -> None:
    weight = torch.ones(3, 32)
    patterns.check_divides(Blocks(1, 4), weight, "head")
    with pytest.raises(
        UserError, match="the pattern 4x1 does not divide head, which is 3 × 32"
    ) as e:
        patterns.check_divides(Blocks(4, 1), weight, "head")
    assert 'exclude=["head"]' in str(e.value.hint)
    assert not NofM(2, 5).divides(3, 32)
    assert not NofM(2, 5).followed_by(weight)
    assert not Blocks(4, 1).followed_by(weight)


def test_a_filter_is_a_row() -> None:
    assert patterns.matrix(torch.ones(8, 3, 5, 5)).shape == (8, 75)


@pytest.mark.parametrize("share", [0.0, 1.0, 1.5, -0.1])
def test_a_share_that_cannot_be(share: float) -> None:
    with pytest.raises(
        UserError, match=f"share is {share:g}, expected more than 0 and less than 1"
    ):
        patterns.share_of(Blocks(), share)


def test_shares_left_out() -> None:
    assert patterns.share_of(Blocks(), None) == 0.5
    assert patterns.share_of(NofM(1, 4), None) == 0.75
    assert patterns.share_of(NofM(2, 4), 0.5) == 0.5


def test_a_share_that_n_of_m_does_not_have() -> None:
    with pytest.raises(
        UserError, match=r"share is 0\.8, and the pattern 2:4 has 0\.5 of zeros"
    ) as caught:
        patterns.share_of(NofM(2, 4), 0.8)
    assert "1x4" in str(caught.value.hint)
