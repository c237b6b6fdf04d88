"""Parts out of transformers: the smaller model computes what the masked one does."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest
import torch
import transformers
from sparsity_toys import Images
from torch import Tensor, nn

from core_plugin_torch.sparsity import importance, structured
from core_plugin_torch.sparsity.layers import blocks
from core_plugin_torch.sparsity.structure import STRUCTURES, linear, structure_of
from core_plugin_torch.sparsity.structured import Known, Shares, take_out
from hwcore.contract import UserError

PREFIXES = {
    "albert": "Albert",
    "bert": "Bert",
    "camembert": "Camembert",
    "deberta-v2": "DebertaV2",
    "deit": "DeiT",
    "distilbert": "DistilBert",
    "electra": "Electra",
    "modernbert": "ModernBert",
    "mpnet": "MPNet",
    "roberta": "Roberta",
    "vit": "ViT",
    "xlm-roberta": "XLMRoberta",
}
HEADS, CHANNELS, LAYERS = 4, 12, 3


def _model(family: str) -> Any:
    """A model of unlike weights, with three layers of four heads and twelve inner channels."""
    sizes: dict[str, Any] = {
        "hidden_size": 32,
        "num_attention_heads": HEADS,
        "intermediate_size": CHANNELS,
        "num_hidden_layers": LAYERS,
        "initializer_range": 0.3,
    }
    if family == "distilbert":
        sizes = {"dim": 32, "n_heads": HEADS, "hidden_dim": CHANNELS, "n_layers": LAYERS}
    if family in ("vit", "deit"):
        sizes |= {"image_size": 16, "patch_size": 8}
    else:
        sizes |= {"vocab_size": 60, "max_position_embeddings": 40, "pad_token_id": 0}
    if family == "albert":
        sizes |= {"embedding_size": 16}
    if family == "modernbert":
        sizes |= {"global_attn_every_n_layers": 2, "cls_token_id": 1, "sep_token_id": 2}
    torch.manual_seed(0)
    made = getattr(transformers, PREFIXES[family] + "Model")(
        getattr(transformers, PREFIXES[family] + "Config")(**sizes)
    )
    for parameter in made.parameters():
        if parameter.dim() == 1:
            parameter.data += 0.1 * torch.randn_like(parameter)
    return made.eval()


def _answer(model: Any) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        if model.main_input_name == "pixel_values":
            found = model(torch.randn(2, 3, 16, 16, generator=generator))
        else:
            found = model(torch.randint(3, 60, (2, 9), generator=generator))
    result: Tensor = found.last_hidden_state
    return result


def _changed(model: Any, change: structured.Change) -> Any:
    """A model of the new config with the new tensors, as loading the checkpoint gives it."""
    config = model.config.to_dict() | change.config
    made = type(model)(type(model.config).from_dict(config)).eval()
    trunk = list(blocks(model))
    left = [name for place, name in enumerate(trunk) if place not in change.dropped]
    names = dict(zip(left, blocks(made), strict=True))
    tensors = {}
    for name, tensor in model.state_dict().items():
        inside = next((block for block in trunk if name.startswith(f"{block}.")), None)
        if inside is None:
            tensors[name] = tensor
        elif inside in names:
            new = names[inside] + name.removeprefix(inside)
            tensors[new] = change.tensors.get(name, tensor)
    made.load_state_dict(tensors)
    return made


def _hidden(model: Any, structure: Any) -> Iterator[tuple[nn.Linear, nn.Linear, nn.Linear]]:
    for block in blocks(model).values():
        yield (
            linear(block, structure.attended),
            linear(block, structure.inner.layer),
            linear(block, structure.outer),
        )


def test_every_architecture_with_heads_is_known() -> None:
    from hwcore.transformers.families import FAMILIES

    read = {family.model_type for family in FAMILIES if family.modality != "maps"}
    assert read == set(STRUCTURES) == set(PREFIXES)


@pytest.mark.parametrize("family", PREFIXES)
def test_heads_that_are_zero_add_nothing(family: str) -> None:
    """Half of the heads: what the other half computes stays, as if theirs were cut out."""
    model, structure = _model(family), structure_of(family)
    change = take_out(model, structure, model.config.to_dict(), Shares(heads=0.5))
    found = _answer(_changed(model, change))
    assert change.config == {}
    masked = copy.deepcopy(model)
    for name, block in blocks(masked).items():
        out = linear(block, structure.attended)
        columns = change.tensors[f"{name}.{structure.attended}.weight"] != 0
        alive = columns.any(dim=0).reshape(HEADS, -1)
        assert alive.all(dim=1).sum() == HEADS // 2
        assert alive.any(dim=1).sum() == HEADS // 2
        out.weight.data[:, ~alive.flatten()] = 0
    torch.testing.assert_close(found, _answer(masked), rtol=0, atol=1e-5)


@pytest.mark.parametrize("family", PREFIXES)
def test_channels_that_are_taken_out(family: str) -> None:
    """The narrower model computes what the wide one does with these channels at zero."""
    model, structure = _model(family), structure_of(family)
    change = take_out(model, structure, model.config.to_dict(), Shares(channels=0.25))
    assert change.config == {structure.channels: 9}
    narrow = _changed(model, change)
    masked = copy.deepcopy(model)
    for mine, its in zip(_hidden(masked, structure), _hidden(narrow, structure), strict=True):
        (_, _, outer), (_, inner, small) = mine, its
        assert (inner.out_features, small.in_features) == (9 * structure.inner.parts, 9)
        kept = (outer.weight.T[:, None] == small.weight.T[None]).all(dim=-1).any(dim=1)
        assert kept.sum() == 9
        outer.weight.data[:, ~kept] = 0
    torch.testing.assert_close(_answer(narrow), _answer(masked), rtol=0, atol=1e-5)


@pytest.mark.parametrize("family", [f for f in PREFIXES if f != "albert"])
def test_layers_that_are_taken_out(family: str) -> None:
    model = _model(family)
    change = take_out(model, structure_of(family), model.config.to_dict(), Shares(layers=1))
    assert change.dropped == (1,)
    assert not change.tensors
    short = _changed(model, change)
    assert len(blocks(short)) == LAYERS - 1
    skipping = copy.deepcopy(model)
    second = list(blocks(skipping).values())[1]
    plain = second.forward
    gives_tuples = isinstance(plain_result(plain, second, skipping), tuple)
    second.forward = lambda hidden_states, *_, **__: (
        (hidden_states, None) if gives_tuples else hidden_states
    )
    torch.testing.assert_close(_answer(short), _answer(skipping), rtol=0, atol=1e-5)


def plain_result(plain: Any, block: nn.Module, model: Any) -> Any:
    """What a block gives, tensors alone or in tuples, seen while the model runs."""
    seen: list[Any] = []
    hook = block.register_forward_hook(lambda _, __, result: seen.append(result))
    _answer(model)
    hook.remove()
    return seen[0]


def test_what_a_config_cannot_say_is_zero() -> None:
    """One layer is excluded: the others keep their width, with zeros in it."""
    model, structure = _model("bert"), structure_of("bert")
    whole = take_out(model, structure, model.config.to_dict(), Shares(channels=0.25))
    change = take_out(
        model,
        structure,
        model.config.to_dict(),
        Shares(channels=0.25),
        exclude=["encoder.layer.1"],
    )
    assert change.config == {}
    assert not any(name.startswith("encoder.layer.1.") for name in change.tensors)
    name = "encoder.layer.0.intermediate.dense"
    masked, narrow = change.tensors[f"{name}.weight"], whole.tensors[f"{name}.weight"]
    alive = masked.any(dim=1)
    assert masked.shape == (CHANNELS, 32)
    torch.testing.assert_close(masked[alive], narrow)
    assert torch.equal(change.tensors[f"{name}.bias"] != 0, alive)
    outer = change.tensors["encoder.layer.0.output.dense.weight"]
    assert torch.equal(outer.any(dim=0), alive)


def test_data_decides() -> None:
    """The heads and channels that the rows use most stay, whatever their weights."""
    model, structure = _model("bert"), structure_of("bert")
    norms = {}
    for name, block in blocks(model).items():
        attended, outer = linear(block, structure.attended), linear(block, structure.outer)
        used = torch.zeros(attended.in_features)
        used[-8:] = 1.0
        norms[f"{name}.{structure.attended}"] = used
        norms[f"{name}.{structure.outer}"] = torch.arange(outer.in_features).float()
    change = take_out(
        model,
        structure,
        model.config.to_dict(),
        Shares(heads=0.75, channels=0.75),
        known=Known(norms=norms),
    )
    attended = change.tensors["encoder.layer.0.attention.output.dense.weight"]
    assert attended.any(dim=0).nonzero().flatten().tolist() == list(range(24, 32))
    assert change.config == {"intermediate_size": 3}


def test_closed_channels_go() -> None:
    model, structure = _model("bert"), structure_of("bert")
    apoz = torch.full((CHANNELS,), 0.9)
    apoz[[2, 5, 7]] = 0.1
    closed = {f"{name}.{structure.outer}": apoz for name in blocks(model)}
    change = take_out(
        model, structure, model.config.to_dict(), Shares(channels=0.75), known=Known(closed=closed)
    )
    name = "encoder.layer.2.output.dense.weight"
    torch.testing.assert_close(change.tensors[name], model.state_dict()[name][:, [2, 5, 7]])


def test_apoz_means_nothing_behind_a_gate() -> None:
    model, structure = _model("modernbert"), structure_of("modernbert")
    closed = {f"{name}.{structure.outer}": torch.zeros(CHANNELS) for name in blocks(model)}
    with pytest.raises(UserError, match="this model multiplies its by a gate"):
        take_out(
            model,
            structure,
            model.config.to_dict(),
            Shares(channels=0.5),
            known=Known(closed=closed),
        )


def test_layers_of_least_influence_go_first() -> None:
    model, structure = _model("bert"), structure_of("bert")
    influence = dict(zip(blocks(model), [0.0, 0.5, 0.1], strict=True))
    change = take_out(
        model,
        structure,
        model.config.to_dict(),
        Shares(layers=1),
        known=Known(influence=influence),
    )
    assert change.dropped == (2,)


def test_influence_is_that_of_the_hidden_states() -> None:
    """Over all tokens of all calls: a batch of two rows counts twice."""
    model = _model("bert")
    batches = [torch.arange(3, 12).reshape(1, 9), torch.arange(20, 38).reshape(2, 9)]
    with torch.no_grad(), structured.influences(blocks(model)) as found:
        states = [model(ids, output_hidden_states=True).hidden_states for ids in batches]
    joined = [torch.cat(of_a_layer) for of_a_layer in zip(*states, strict=True)]
    expected = [
        float(importance.block_influence(before, after)) for before, after in pairwise(joined)
    ]
    assert [influence.mean for influence in found.values()] == pytest.approx(expected, abs=1e-6)


def test_filters_and_their_channels_go_together() -> None:
    change = take_out(Images(), None, {}, Shares(filters=0.5, filter_channels=0.5))
    assert set(change.tensors) == {
        f"{name}.{kind}" for name in ("first", "second") for kind in ("weight", "bias")
    }
    weight = change.tensors["second.weight"]
    filters, channels = weight.flatten(1).any(dim=1), weight.transpose(0, 1).flatten(1).any(dim=1)
    assert (int(filters.sum()), int(channels.sum())) == (2, 4)
    assert torch.equal(change.tensors["second.bias"] != 0, filters)
    assert int(change.tensors["first.weight"].flatten(1).any(dim=1).sum()) == 4
    change = take_out(Images(), None, {}, Shares(filters=0.5), exclude=["first"])
    assert set(change.tensors) == {"second.weight", "second.bias"}


def test_filters_go_with_the_smallest_norms() -> None:
    model = Images()
    model.second.weight.data[[0, 3]] *= 0.01
    change = take_out(model, None, {}, Shares(filters=0.5), norm=importance.l1)
    alive = change.tensors["second.weight"].flatten(1).any(dim=1)
    assert alive.tolist() == [False, True, True, False]


@pytest.mark.parametrize(
    ("family", "shares", "exclude", "message"),
    [
        ("bert", Shares(), [], "nothing is taken out of the model"),
        ("bert", Shares(layers=2), [], "layers is 2, and 1 of 3 can be taken out"),
        ("albert", Shares(layers=1), [], "all layers of this model share one set of weights"),
        ("bert", Shares(filters=0.5), [], "the model has no convolutions"),
        ("vit", Shares(filters=0.5), [], "the model has no convolutions"),
        ("bert", Shares(heads=0.5), ["encoder.layer.9"], r"no layer is called 'encoder\.layer\.9'"),
        ("bert", Shares(heads=0.5), ["encoder"], "nothing is taken out of the model"),
    ],
)
def test_what_cannot_be(family: str, shares: Shares, exclude: list[str], message: str) -> None:
    model = _model(family)
    with pytest.raises(UserError, match=message) as caught:
        take_out(model, structure_of(family), model.config.to_dict(), shares, exclude=exclude)
    assert caught.value.hint


def test_an_architecture_that_is_not_known() -> None:
    message = "where heads and channels of gpt2 models are is not known"
    with pytest.raises(UserError, match=message) as caught:
        structure_of("gpt2")
    assert "Filters go without: heads=0 and channels=0" in str(caught.value.hint)


def test_a_model_of_other_layers() -> None:
    model = _model("bert")
    with pytest.raises(UserError, match=r"no linear layer 'mlp\.fc2'"):
        take_out(model, structure_of("vit"), model.config.to_dict(), Shares(channels=0.5))


def test_blocks_of_several_layers() -> None:
    model = _model("albert")
    config = model.config.to_dict() | {"inner_group_num": 2}
    with pytest.raises(UserError, match="blocks have several layers each"):
        take_out(model, structure_of("albert"), config, Shares(channels=0.5))
