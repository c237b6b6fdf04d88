"""Where attention heads and inner channels are in the weights of each architecture.

A head is rows of the projections to queries, keys and values, and columns of the projection that
follows; an inner channel of a feed-forward network is a row of what leads to it and a column of
what leads on. Names are relative to a block.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import nn

from hwcore.contract import UserError


@dataclass(frozen=True)
class Stacked:
    """A linear layer whose rows are ``parts`` matrices of one shape, one after another."""

    layer: str
    parts: int = 1


@dataclass(frozen=True)
class Structure:
    """Of one architecture's blocks, and the keys of its config that give their sizes."""

    queries: tuple[Stacked, ...]
    """With keys and values: a head's rows."""
    attended: str
    """A head's columns."""
    inner: Stacked
    """A channel's rows."""
    outer: str
    """A channel's columns."""
    heads: str = "num_attention_heads"
    channels: str = "intermediate_size"
    layers: str | None = "num_hidden_layers"
    """``None`` where layers share their weights: taking one out saves none."""


def _projections(prefix: str, *names: str) -> tuple[Stacked, ...]:
    return tuple(Stacked(prefix + name) for name in names)


_BERT = Structure(
    _projections("attention.self.", "query", "key", "value"),
    "attention.output.dense",
    Stacked("intermediate.dense"),
    "output.dense",
)
_VIT = Structure(
    _projections("attention.", "q_proj", "k_proj", "v_proj"),
    "attention.o_proj",
    Stacked("mlp.fc1"),
    "mlp.fc2",
)
STRUCTURES: dict[str, Structure] = {
    **dict.fromkeys(("bert", "camembert", "electra", "roberta", "xlm-roberta"), _BERT),
    "albert": Structure(
        _projections("albert_layers.0.attention.", "query", "key", "value"),
        "albert_layers.0.attention.dense",
        Stacked("albert_layers.0.ffn"),
        "albert_layers.0.ffn_output",
        layers=None,
    ),
    "deberta-v2": Structure(
        _projections("attention.self.", "query_proj", "key_proj", "value_proj"),
        _BERT.attended,
        _BERT.inner,
        _BERT.outer,
    ),
    **dict.fromkeys(("deit", "vit"), _VIT),
    "distilbert": Structure(
        _projections("attention.", "q_lin", "k_lin", "v_lin"),
        "attention.out_lin",
        Stacked("ffn.lin1"),
        "ffn.lin2",
        heads="n_heads",
        channels="hidden_dim",
        layers="n_layers",
    ),
    "modernbert": Structure(
        (Stacked("attn.Wqkv", parts=3),),
        "attn.Wo",
        Stacked("mlp.Wi", parts=2),
        "mlp.Wo",
    ),
    "mpnet": Structure(
        _projections("attention.attn.", "q", "k", "v"),
        "attention.attn.o",
        _BERT.inner,
        _BERT.outer,
    ),
}
"""By transformers' ``model_type``."""


def structure_of(model_type: Any) -> Structure:
    """Raises `UserError` for an architecture that is not in the table."""
    try:
        return STRUCTURES[str(model_type)]
    except KeyError:
        raise UserError(
            f"where heads and channels of {model_type} models are is not known",
            hint=f"Known are {', '.join(sorted(STRUCTURES))}. Filters go without: heads=0 and "
            "channels=0; magnitude prunes any model.",
        ) from None


def linear(block: nn.Module, name: str) -> nn.Linear:
    """A layer of a block. Raises `UserError` where the block has none of that name."""
    found = dict(block.named_modules()).get(name)
    if not isinstance(found, nn.Linear):
        raise UserError(
            f"the model has no linear layer {name!r} where its architecture has one",
            hint="Save the model again with the installed version of transformers.",
        )
    return found
