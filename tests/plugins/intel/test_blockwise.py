"""Block by block: every layer reads what the model itself would give it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
import transformers
from intel_modules import Chain, Flat
from torch import Tensor, nn

from core_plugin_intel import blockwise, layers, samples

FAMILIES = {
    "albert": "Albert",
    "bert": "Bert",
    "deberta-v2": "DebertaV2",
    "distilbert": "DistilBert",
    "electra": "Electra",
    "modernbert": "ModernBert",
    "mpnet": "MPNet",
    "vit": "ViT",
}


def products(layer: nn.Linear) -> samples.Products:
    return samples.Products(layer.in_features)


def gram_of(module: nn.Module, name: str, rows: list[tuple[Tensor, ...]]) -> Tensor:
    """That of a layer when the rows go through the whole model."""
    kept = products(layers.find(module, name))
    hook = layers.find(module, name).register_forward_pre_hook(
        lambda _, given: kept.add(given[0].detach().flatten(0, -2))
    )
    with torch.no_grad():
        for row in rows:
            module(*row)
    hook.remove()
    return kept.gram


def toy_rows() -> list[tuple[Tensor, ...]]:
    made = torch.Generator().manual_seed(1)
    return [(torch.randn(1, 3 + count, 8, generator=made),) for count in range(5)]


@pytest.mark.parametrize(
    ("chain", "passes"),
    [({}, 2), ({"times": 2}, 5), ({"between": 3.0}, 5)],
    ids=["chain", "a block twice", "something between"],
)
def test_blocks_read_what_the_changed_ones_before_them_give(
    chain: dict[str, Any], passes: int
) -> None:
    """Whether or not they can be run by themselves; the toy has three blocks and a head."""
    module, rows, asked = Flat(Chain(**chain)), toy_rows(), []
    names = [name for name in layers.linears(module) if name != "blocks.1.up"]

    def again() -> list[tuple[Tensor, ...]]:
        asked.append(1)
        return rows

    visited = []
    for found in blockwise.walk(module, names, again, products):
        visited.append(list(found))
        for name, kept in found.items():
            torch.testing.assert_close(kept.gram, gram_of(module, name, rows), rtol=1e-4, atol=1e-4)
        for name in found:
            old = layers.find(module, name)
            new = nn.Linear(old.in_features, old.out_features)
            layers.replace(module, name, new)
    assert visited == [
        ["blocks.0.up", "blocks.0.down"],
        ["blocks.1.down"],
        ["blocks.2.up", "blocks.2.down"],
        ["head", "unused"],
    ]
    assert len(asked) == passes


def test_what_is_not_run_has_read_nothing() -> None:
    module = Flat(Chain())
    [found] = blockwise.walk(module, ["unused"], toy_rows, products)
    assert not found["unused"].gram.any()


def test_without_layers_nothing_is_run() -> None:
    def never() -> list[tuple[Tensor, ...]]:
        raise AssertionError

    assert list(blockwise.walk(Flat(Chain()), [], never, products)) == []


def test_a_model_without_blocks_is_run_whole() -> None:
    module = Flat(nn.Sequential(nn.Linear(8, 8), nn.Tanh(), nn.Linear(8, 2)))
    [found] = blockwise.walk(module, ["0", "2"], toy_rows, products)
    torch.testing.assert_close(found["2"].gram, gram_of(module, "2", toy_rows()))


def test_it_can_be_stopped_between_two_rows_and_leaves_no_hooks() -> None:
    module, beats = Flat(Chain()), 0

    def beat() -> None:
        nonlocal beats
        beats += 1
        if beats == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(blockwise.walk(module, ["blocks.0.up"], toy_rows, products, beat))
    assert beats == 3
    for part in module.modules():
        assert not part._forward_hooks
        assert not part._forward_pre_hooks


def test_tokens_are_an_even_sample_of_each_row() -> None:
    kept = samples.Tokens(1, rows=256)  # two of each
    for row in range(300):
        kept.add(torch.tensor([[row], [-1], [-1], [row]], dtype=torch.float32))
    taken = kept.all()
    assert taken.shape == (samples.TOKENS, 1)
    assert taken.min() == 0
    assert taken.max() == 299
    assert samples.Tokens(3, rows=4).all().tolist() == [[0.0, 0.0, 0.0]]


class Answer(nn.Module):  # type: ignore[misc]
    """The hidden states of a transformers model."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.inner = model

    def forward(self, inputs: Tensor) -> Tensor:
        return self.inner(inputs).last_hidden_state


def small(family: str) -> Any:
    """A model of three layers; ModernBERT's second sees near tokens only."""
    sizes: dict[str, Any] = {
        "hidden_size": 32,
        "num_attention_heads": 4,
        "intermediate_size": 24,
        "num_hidden_layers": 3,
        "initializer_range": 0.3,
    }
    if family == "distilbert":
        sizes = {"dim": 32, "n_heads": 4, "hidden_dim": 24, "n_layers": 3}
    if family == "vit":
        sizes |= {"image_size": 16, "patch_size": 8}
    else:
        sizes |= {"vocab_size": 60, "max_position_embeddings": 40, "pad_token_id": 0}
    if family == "modernbert":
        sizes |= {"global_attn_every_n_layers": 2, "local_attention": 4}
        sizes |= {"cls_token_id": 1, "sep_token_id": 2, "bos_token_id": 1, "eos_token_id": 2}
    if family == "deberta-v2":
        sizes |= {"relative_attention": True, "pos_att_type": "c2p|p2c"}
    torch.manual_seed(0)
    config = getattr(transformers, f"{FAMILIES[family]}Config")(**sizes)
    return getattr(transformers, f"{FAMILIES[family]}Model")(config).eval()


def inputs(family: str) -> Iterator[tuple[Tensor, ...]]:
    made = torch.Generator().manual_seed(1)
    for length in (5, 12, 9):
        if family == "vit":
            yield (torch.randn(1, 3, 16, 16, generator=made),)
        else:
            yield (torch.randint(3, 60, (1, length), generator=made),)


@pytest.mark.parametrize("family", FAMILIES)
def test_families_are_followed(family: str) -> None:
    """Masks and positions are each block's own; ALBERT's one block cannot be run by itself."""
    module, rows, asked = Flat(Answer(small(family))), list(inputs(family)), []
    names = [name for name in layers.linears(module) if "pooler" not in name]

    def again() -> list[tuple[Tensor, ...]]:
        asked.append(1)
        return rows

    count = 0
    for found in blockwise.walk(module, names, again, products):
        for name, kept in found.items():
            count += 1
            torch.testing.assert_close(kept.gram, gram_of(module, name, rows), rtol=1e-3, atol=1e-3)
        for name in found:
            layers.find(module, name).weight.data *= 0.9
    assert count == len(names)
    # Beside the first: once for ALBERT's block, and once for what widens the embeddings of both.
    assert len(asked) == {"albert": 3, "electra": 2}.get(family, 1)
