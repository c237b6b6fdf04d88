"""Heads, channels, filters and whole layers out of a transformer.

What a config can say is taken out: the inner size of feed-forward networks, which is one for all
layers, and the number of layers. The rest is set to zero in place: no config says how many heads
a single layer has, or that one has fewer channels than the others.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from core_plugin_torch.sparsity import importance
from core_plugin_torch.sparsity import units as u
from core_plugin_torch.sparsity.layers import blocks, check_known, matches
from core_plugin_torch.sparsity.layerwise import HIDDEN, hidden_of
from core_plugin_torch.sparsity.structure import Structure, linear
from hwcore.contract import UserError


@dataclass(frozen=True)
class Shares:
    """How much of each kind goes."""

    heads: float = 0.0
    channels: float = 0.0
    filters: float = 0.0
    filter_channels: float = 0.0
    layers: int = 0
    """Not a share: a number."""

    @property
    def in_blocks(self) -> bool:
        """Whether something goes whose place in the blocks has to be known."""
        return bool(self.heads or self.channels or self.layers)


@dataclass(frozen=True)
class Known:
    """What calibration rows tell of a dense model. Empty where there were none."""

    norms: Mapping[str, Tensor] = field(default_factory=dict)
    """Of the inputs of linear layers, by the layer's name."""
    closed: Mapping[str, Tensor] = field(default_factory=dict)
    """APoZ of the inputs, where channels go by that."""
    influence: Mapping[str, float] = field(default_factory=dict)
    """Of blocks, by name."""


@dataclass(frozen=True)
class Change:
    """A smaller model."""

    tensors: dict[str, Tensor]
    """New values by parameter name, of another shape where something is taken out."""
    dropped: tuple[int, ...]
    """Places of the blocks that are taken out."""
    config: dict[str, Any]
    """Keys of the config, with new values."""


@dataclass
class Influence:
    """How much a block changes the hidden states, over all tokens so far."""

    total: float = 0.0
    tokens: int = 0

    @property
    def mean(self) -> float:
        """See `core_plugin_torch.sparsity.importance.block_influence`."""
        return self.total / self.tokens

    def add(self, before: Tensor, after: Tensor) -> None:
        """Hidden states ``[…, width]``."""
        tokens = before.shape[:-1].numel()
        self.total += float(importance.block_influence(before, after)) * tokens
        self.tokens += tokens


@contextmanager
def influences(trunk: Mapping[str, nn.Module]) -> Iterator[dict[str, Influence]]:
    """The influence of each block that runs meanwhile, by name."""
    found = {name: Influence() for name in trunk}

    def listen(name: str) -> Any:
        def hook(block: nn.Module, arguments: Any, keywords: dict[str, Any], result: Any) -> None:
            before = arguments[0] if arguments else keywords[HIDDEN]
            found[name].add(before.detach(), hidden_of(result).detach())

        return hook

    with ExitStack() as hooks:
        for name, block in trunk.items():
            hooks.callback(block.register_forward_hook(listen(name), with_kwargs=True).remove)
        yield found


def take_out(
    model: nn.Module,
    structure: Structure | None,
    config: Mapping[str, Any],
    shares: Shares,
    *,
    norm: u.Norm = importance.l2,
    known: Known | None = None,
    exclude: Sequence[str] = (),
) -> Change:
    """Decide what goes, and give what is left; ``model`` stays as it is.

    Units of a layer are compared with each other: by the ``norm`` of their weights, or by what
    is ``known`` of their inputs; filters by their norm alone. Blocks and convolutions that a
    pattern of ``exclude`` fits stay whole. Without ``structure`` only filters and their channels
    go.

    Raises `UserError` for shares that take nothing out, or everything.
    """
    trunk, convolutions = blocks(model), _convolutions(model)
    for pattern in exclude:
        check_known(pattern, [*trunk, *convolutions])
    change = Change({}, (), {})
    if structure is not None:
        change = _from_blocks(trunk, structure, config, shares, norm, known or Known(), exclude)
    if shares.filters or shares.filter_channels:
        left = {name: found for name, found in convolutions.items() if not matches(name, exclude)}
        change.tensors.update(_without_filters(left, shares, norm))
    if not change.tensors and not change.dropped:
        raise UserError(
            "nothing is taken out of the model",
            hint="Give heads, channels, filters or layers more than zero, or exclude less.",
        )
    return change


def _from_blocks(
    trunk: Mapping[str, nn.Module],
    structure: Structure,
    config: Mapping[str, Any],
    shares: Shares,
    norm: u.Norm,
    known: Known,
    exclude: Sequence[str],
) -> Change:
    """What is left when heads, channels and layers are gone."""
    if config.get("inner_group_num", 1) != 1:
        raise UserError(
            "the model's blocks have several layers each, which is not known how to take apart",
            hint="Prune it with magnitude.",
        )
    open_ = {name: block for name, block in trunk.items() if not matches(name, exclude)}
    dropped = _layers(trunk, open_, structure, shares.layers, known.influence)
    whole = len(open_) == len(trunk)
    tensors: dict[str, Tensor] = {}
    edits: dict[str, Any] = {}
    for place, (name, block) in enumerate(trunk.items()):
        if name not in open_ or place in dropped:
            continue
        if shares.heads:
            tensors |= _without_heads(
                name, block, structure, int(config[structure.heads]), shares.heads, norm, known
            )
        if shares.channels:
            stay = _channels_left(name, block, structure, shares.channels, norm, known)
            tensors |= _narrowed(name, block, structure, stay, remove=whole)
            if whole:
                edits[structure.channels] = len(stay)
    if dropped:
        edits |= _shorter(config, structure, len(trunk), dropped)
    return Change(tensors, dropped, edits)


def _layers(
    trunk: Mapping[str, nn.Module],
    open_: Mapping[str, nn.Module],
    structure: Structure,
    count: int,
    influence: Mapping[str, float],
) -> tuple[int, ...]:
    """The blocks that go: those of least influence, or without data from the last but one on.

    The first and, without data, the last stay: what is before and after the blocks was trained
    with them (Sajjad et al., arXiv 2004.03844, section 3, on dropping from the top).
    """
    if not count:
        return ()
    if structure.layers is None:
        raise UserError(
            "all layers of this model share one set of weights: taking one out saves none",
            hint="Leave layers out, and give heads or channels.",
        )
    places = [place for place, name in enumerate(trunk) if name in open_ and place]
    if not influence:
        places = [place for place in reversed(places) if place < len(trunk) - 1]
    else:
        names = list(trunk)
        places.sort(key=lambda place: influence[names[place]])
    if count > len(places):
        raise UserError(
            f"layers is {count}, and {len(places)} of {len(trunk)} can be taken out",
            hint="The first layer stays, and without calibration rows the last; exclude less.",
        )
    return tuple(sorted(places[:count]))


def _shorter(
    config: Mapping[str, Any], structure: Structure, layers: int, dropped: Sequence[int]
) -> dict[str, Any]:
    """The config's number of layers, and its lists that have an entry for each."""
    assert structure.layers is not None  # noqa: S101 - or nothing was dropped
    edits: dict[str, Any] = {structure.layers: layers - len(dropped)}
    for key, value in config.items():
        if isinstance(value, list) and len(value) == layers and key.startswith("layer"):
            edits[key] = [entry for place, entry in enumerate(value) if place not in dropped]
    return edits


def _without_heads(
    name: str,
    block: nn.Module,
    structure: Structure,
    heads: int,
    share: float,
    norm: u.Norm,
    known: Known,
) -> dict[str, Tensor]:
    """The tensors of an attention with heads set to zero."""
    out = linear(block, structure.attended)
    width = out.in_features // heads
    norms = known.norms.get(f"{name}.{structure.attended}")
    if norms is None:
        rows = [
            part
            for stacked in structure.queries
            for part in linear(block, stacked.layer).weight.chunk(stacked.parts)
        ]
        scores = u.units(rows, out.weight, width, norm)
    else:
        scores = u.contributions(out.weight, norms, width)
    left = u.spread_out(u.kept(scores, share), width)
    found = _zeroed_columns(f"{name}.{structure.attended}", out, left)
    for stacked in structure.queries:
        layer = linear(block, stacked.layer)
        places = u.stacked(left, layer.out_features // stacked.parts, stacked.parts)
        found |= _zeroed_rows(f"{name}.{stacked.layer}", layer, places)
    return found


def _channels_left(
    name: str, block: nn.Module, structure: Structure, share: float, norm: u.Norm, known: Known
) -> Tensor:
    """Places of the inner channels that stay."""
    outer, inner = linear(block, structure.outer), linear(block, structure.inner.layer)
    of = f"{name}.{structure.outer}"
    if of in known.closed:
        if structure.inner.parts > 1:
            raise UserError(
                "apoz counts activations above zero, and this model multiplies its by a gate",
                hint="Choose importance=wanda.",
            )
        scores = 1 - known.closed[of]
    elif of in known.norms:
        scores = u.contributions(outer.weight, known.norms[of], 1)
    else:
        scores = u.units(inner.weight.chunk(structure.inner.parts), outer.weight, 1, norm)
    return u.kept(scores, share)


def _narrowed(
    name: str, block: nn.Module, structure: Structure, left: Tensor, *, remove: bool
) -> dict[str, Tensor]:
    """The tensors of a feed-forward network that has some channels left."""
    inner, outer = linear(block, structure.inner.layer), linear(block, structure.outer)
    places = u.stacked(left, outer.in_features, structure.inner.parts)
    rows, columns = f"{name}.{structure.inner.layer}", f"{name}.{structure.outer}"
    if not remove:
        return _zeroed_rows(rows, inner, places) | _zeroed_columns(columns, outer, left)
    found = {f"{rows}.weight": inner.weight[places], f"{columns}.weight": outer.weight[:, left]}
    if inner.bias is not None:
        found[f"{rows}.bias"] = inner.bias[places]
    return found


def _convolutions(model: nn.Module) -> dict[str, nn.Conv2d]:
    """By name; without those of embeddings, which cut an image into patches."""
    return {
        name: layer
        for name, layer in model.named_modules()
        if isinstance(layer, nn.Conv2d) and "embed" not in name
    }


def _without_filters(
    convolutions: Mapping[str, nn.Conv2d], shares: Shares, norm: u.Norm
) -> dict[str, Tensor]:
    """The tensors of convolutions with filters, and channels of filters, set to zero."""
    if not convolutions:
        raise UserError(
            "the model has no convolutions whose filters could be taken out",
            hint="Leave filters and filter_channels out: those of embeddings are never pruned.",
        )
    found: dict[str, Tensor] = {}
    for name, layer in convolutions.items():
        stay = u.kept(u.filters(layer.weight, norm), shares.filters)
        channels = u.kept(u.input_channels(layer.weight, norm), shares.filter_channels)
        found |= _zeroed_rows(name, layer, stay)
        weight = found[f"{name}.weight"]
        found[f"{name}.weight"] = _only(weight.transpose(0, 1), channels).transpose(0, 1)
    return found


def _zeroed_rows(name: str, layer: nn.Module, left: Tensor) -> dict[str, Tensor]:
    """A layer all of whose outputs but ``left`` are zero, whatever it is given."""
    found = {f"{name}.weight": _only(layer.weight, left)}
    if layer.bias is not None:
        found[f"{name}.bias"] = _only(layer.bias, left)
    return found


def _zeroed_columns(name: str, layer: nn.Linear, left: Tensor) -> dict[str, Tensor]:
    return {f"{name}.weight": _only(layer.weight.T, left).T}


def _only(tensor: Tensor, left: Tensor) -> Tensor:
    made = torch.zeros_like(tensor)
    made[left] = tensor[left]
    return made
