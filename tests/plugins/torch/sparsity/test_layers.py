"""Which layers are pruned, and names that match nothing."""

from __future__ import annotations

import pytest
from sparsity_toys import Chain, Images
from torch import nn

from core_plugin_torch.sparsity.layers import blocks, select
from hwcore.contract import UserError


def test_blocks_are_the_members_of_the_largest_list() -> None:
    model = Chain()
    model.extra = nn.ModuleList([nn.Linear(2, 2)])
    assert list(blocks(model)) == ["layers.0", "layers.1", "layers.2"]
    assert blocks(Images()) == {}


def test_a_list_in_a_block_is_part_of_it() -> None:
    model = Chain()
    model.layers[0].experts = nn.ModuleList([nn.Linear(500, 500)])
    assert list(blocks(model)) == ["layers.0", "layers.1", "layers.2"]


def test_embeddings_and_heads_are_left_out() -> None:
    assert list(select(Chain())) == [
        f"layers.{n}.{part}" for n in range(3) for part in ("up", "down")
    ]


def test_embeddings_in_a_block_are_left_out_too() -> None:
    model = Chain()
    model.layers[0].positions = nn.Embedding(4, 4)
    assert "layers.0.positions" not in select(model)
    assert list(select(model, ["layers.0.positions"])) == ["layers.0.positions"]


def test_without_blocks_all_layers_are_meant() -> None:
    assert list(select(Images())) == ["first", "second", "head"]


@pytest.mark.parametrize(
    ("include", "exclude", "expected"),
    [
        (["head", "embed"], [], ["embed", "head"]),
        (["*.down"], ["layers.1"], ["layers.0.down", "layers.2.down"]),
        (["layers.1"], [], ["layers.1.up", "layers.1.down"]),
        ([], ["*.up", "layers.[01]"], ["layers.2.down"]),
    ],
)
def test_patterns_fit_layers_and_what_they_lie_in(
    include: list[str], exclude: list[str], expected: list[str]
) -> None:
    assert list(select(Chain(), include, exclude)) == expected


def test_a_number_is_no_prefix() -> None:
    model = Chain()
    model.layers.extend(Chain().layers[0] for _ in range(10))
    assert len(select(model, ["layers.1"])) == 2


def test_a_name_that_matches_nothing_suggests_near_ones() -> None:
    with pytest.raises(UserError, match=r"no layer is called 'layers\.0\.upp'") as caught:
        select(Chain(), exclude=["layers.0.upp"])
    assert "Near names: layers.0.up" in str(caught.value.hint)
    with pytest.raises(UserError, match="no layer is called 'zzz'") as caught:
        select(Chain(), include=["zzz"])
    assert "There are: embed, layers.0.up" in str(caught.value.hint)


def test_nothing_left() -> None:
    with pytest.raises(UserError, match="no layer is left to prune"):
        select(Chain(), exclude=["*"])
