"""Block by block: every layer sees what the model itself would show it."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
import torch
from sparsity_toys import INNER, WIDTH, Chain, rows
from torch import Tensor, nn

from core_plugin_torch.sparsity.layers import select
from core_plugin_torch.sparsity.layerwise import WHOLE, passes, walk
from core_plugin_torch.sparsity.statistics import Gram, Statistics


def _inputs_of(model: nn.Module, name: str) -> Tensor:
    """All that a layer is given when the rows go through the whole model."""
    seen: list[Tensor] = []
    layer = model.get_submodule(name)
    hook = layer.register_forward_pre_hook(
        lambda _, given: seen.append(given[0].detach().reshape(-1, given[0].shape[-1]))
    )
    for row in rows():
        model(row)
    hook.remove()
    return torch.cat(seen)


@pytest.mark.parametrize("shared", [False, True], ids=["chain", "shared"])
def test_statistics_are_those_of_the_model_so_far(shared: bool) -> None:
    """Before a block is changed, its layers see what the changed blocks before it make."""
    model = Chain(shared=shared)
    visited: list[str] = []

    def visit(block: str, found: Mapping[str, Statistics]) -> bool:
        visited.append(block)
        for name, given in found.items():
            inputs = _inputs_of(model, name)
            assert given.tokens == len(inputs)
            torch.testing.assert_close(given.gram, inputs.T @ inputs, rtol=1e-4, atol=1e-3)
        for name in found:
            layer = model.get_submodule(name)
            layer.weight.data = layer.weight.data * 0.5
        return True

    beats: list[None] = []
    walk(
        model,
        model,
        rows(),
        select(model),
        visit,
        statistics=Gram,
        beat=lambda: beats.append(None),
    )
    assert visited == ["layers.0"] if shared else ["layers.0", "layers.1", "layers.2"]
    assert 0 < len(beats) <= passes(model) * len(rows())


def test_blocks_with_something_between_them_are_no_chain() -> None:
    """What stands between two blocks would be left out, were they run one after another."""

    class Between(Chain):
        def forward(self, ids: Tensor) -> Tensor:
            hidden = self.embed(ids)
            for block in self.layers:
                (hidden,) = block(3 * hidden)
            return self.head(hidden)

    model, visited = Between(), []

    def visit(block: str, found: Mapping[str, Statistics]) -> bool:
        visited.append(block)
        for name, given in found.items():
            inputs = _inputs_of(model, name)
            torch.testing.assert_close(given.gram, inputs.T @ inputs, rtol=1e-4, atol=1e-2)
        return False

    beats: list[None] = []
    walk(
        model,
        model,
        rows(),
        select(model),
        visit,
        statistics=Gram,
        beat=lambda: beats.append(None),
    )
    assert visited == ["layers.0", "layers.1", "layers.2"]
    assert 0 < len(beats) <= passes(model) * len(rows())


def test_a_convolution_after_the_first_block_is_not_left_out() -> None:
    """As in DeBERTa-v2, whose layers are visited block by block all the same."""
    from transformers import DebertaV2Config, DebertaV2Model

    torch.manual_seed(0)
    model = DebertaV2Model(
        DebertaV2Config(
            vocab_size=50,
            hidden_size=16,
            intermediate_size=32,
            num_hidden_layers=3,
            num_attention_heads=2,
            max_position_embeddings=40,
            conv_kernel_size=3,
            initializer_range=0.3,
        )
    ).eval()
    blocks: list[str] = []

    def visit(block: str, found: Mapping[str, Statistics]) -> bool:
        blocks.append(block)
        assert all(name.startswith(f"{block}.") for name in found)
        for name, given in found.items():
            inputs = _inputs_of(model, name)
            torch.testing.assert_close(given.gram, inputs.T @ inputs, rtol=1e-4, atol=1e-2)
        for name in found:
            layer = model.get_submodule(name)
            layer.weight.data = layer.weight.data * 0.5
        return True

    walk(model, model, rows(), select(model), visit, statistics=Gram)
    assert blocks == [f"encoder.layer.{place}" for place in range(3)]


def test_one_block_in_two_places_is_no_chain() -> None:
    model, visited = Chain(), []
    model.layers[2] = model.layers[0]

    def visit(block: str, found: Mapping[str, Statistics]) -> bool:
        visited.append(block)
        return False

    walk(model, model, rows(), select(model), visit, statistics=Gram)
    assert visited == ["layers.0", "layers.1"]


def test_layers_outside_the_blocks_come_last() -> None:
    model = Chain()
    visited: dict[str, list[str]] = {}

    def visit(block: str, found: Mapping[str, Statistics]) -> bool:
        visited[block] = list(found)
        return False

    walk(model, model, rows(), select(model, ["head", "layers.1"]), visit, statistics=Gram)
    assert visited == {"layers.1": ["layers.1.up", "layers.1.down"], WHOLE: ["head"]}


def test_layers_with_one_input_share_its_statistics() -> None:
    model = Chain()
    block = model.layers[0]
    block.gate = torch.nn.Linear(WIDTH, INNER)
    plain = block.forward

    def forward(hidden_states: Tensor, scale: Tensor | None = None) -> tuple[Tensor]:
        block.gate(hidden_states)
        return plain(hidden_states, scale)

    block.forward = forward
    found: dict[str, Statistics] = {}

    def visit(_: str, given: Mapping[str, Statistics]) -> bool:
        found.update(given)
        return False

    walk(model, model, rows(), select(model), visit, statistics=Gram)
    assert found["layers.0.gate"] is found["layers.0.up"]
    assert found["layers.0.down"] is not found["layers.0.up"]
    inputs = _inputs_of(model, "layers.0.up")
    torch.testing.assert_close(found["layers.0.gate"].gram, inputs.T @ inputs, rtol=1e-4, atol=1e-3)


def test_hooks_are_gone_afterwards() -> None:
    model = Chain()

    def visit(_: str, given: Mapping[str, Statistics]) -> bool:
        raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        walk(model, model, rows(), select(model), visit, statistics=Gram)
    for module in model.modules():
        assert not module._forward_hooks
        assert not module._forward_pre_hooks
