"""The methods that put zeros into one weight matrix, side by side."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from core_plugin_torch.sparsity import importance
from core_plugin_torch.sparsity import sparsegpt as gpt
from core_plugin_torch.sparsity.patterns import Pattern
from core_plugin_torch.sparsity.statistics import Gram, Norms, Statistics

MethodName = Literal["magnitude-l1", "magnitude-l2", "wanda", "sparsegpt"]


@dataclass(frozen=True)
class Method:
    """How one layer is pruned. Matrices are ``[outputs, inputs]``."""

    scores: Callable[[Tensor, Statistics | None], Tensor]
    """The importance of each weight."""
    pruned: Callable[[Tensor, Statistics | None, Pattern, float], Tensor]
    """The matrix with a share of zeros in a pattern."""
    statistics: Callable[[int], Statistics] | None = None
    """What it has to know of a layer's inputs; ``None`` where the weights alone will do."""


def _by(
    scores: Callable[[Tensor, Statistics | None], Tensor], *, per_row: bool = False
) -> Callable[[Tensor, Statistics | None, Pattern, float], Tensor]:
    """Prune by a score, and leave the other weights as they are."""

    def pruned(
        weight: Tensor, statistics: Statistics | None, pattern: Pattern, share: float
    ) -> Tensor:
        keep = pattern.mask(scores(weight, statistics), share, per_row=per_row)
        return torch.where(keep, weight, 0)

    return pruned


def _l1(weight: Tensor, statistics: Statistics | None) -> Tensor:
    return importance.l1(weight)


def _l2(weight: Tensor, statistics: Statistics | None) -> Tensor:
    return importance.l2(weight)


def _wanda(weight: Tensor, statistics: Statistics | None) -> Tensor:
    assert statistics is not None  # noqa: S101 - the method declares that it needs some
    return importance.wanda(weight, statistics.norms)


def _obs(weight: Tensor, statistics: Statistics | None) -> Tensor:
    assert statistics is not None  # noqa: S101 - the method declares that it needs some
    return gpt.scores(weight, statistics.gram)


def _sparsegpt(
    weight: Tensor, statistics: Statistics | None, pattern: Pattern, share: float
) -> Tensor:
    assert statistics is not None  # noqa: S101 - the method declares that it needs some
    return gpt.sparsegpt(weight, statistics.gram, pattern, share)


METHODS: dict[MethodName, Method] = {
    "magnitude-l1": Method(_l1, _by(_l1)),
    "magnitude-l2": Method(_l2, _by(_l2)),
    "wanda": Method(_wanda, _by(_wanda, per_row=True), Norms),
    "sparsegpt": Method(_obs, _sparsegpt, Gram),
}
