"""Weights that stay zero through training, and masks that grow while it goes on.

A mask lies in a buffer of its layer, and so in every checkpoint. While masks still change, the
values of what is masked now lie beside it, as they may come back (Zhu and Gupta, arXiv 1710.01878,
section 3: a mask is chosen anew among all weights, and those it masks get no update).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

import torch
from torch import Tensor, nn

from core_plugin_torch.sparsity import importance
from core_plugin_torch.sparsity.layers import PRUNABLE
from core_plugin_torch.sparsity.patterns import Blocks, NofM, Pattern, matrix, share_of_zeros
from core_plugin_torch.sparsity.shares import by_threshold, sketch

Importance = Literal["l1", "l2", "movement"]
Distribution = Literal["uniform", "global"]

KEPT, ASIDE, SCORE, FREE = "kept", "aside", "score", "free"
"""Buffers: what is not masked, the values of what is, sums of movement, what may be kept at all."""


def with_zeros(model: nn.Module) -> dict[str, nn.Module]:
    """The layers of a sparse model that masks are to hold, by name: those that have a zero."""
    return {
        name: found
        for name, found in model.named_modules()
        if isinstance(found, PRUNABLE) and share_of_zeros(found.weight) > 0
    }


class Masks:
    """The masks of some layers, by name. Layers hold what is masked; this says what to do."""

    def __init__(self, layers: Mapping[str, nn.Module]) -> None:
        self._layers = dict(layers)
        for layer in self._layers.values():
            layer.register_buffer(KEPT, layer.weight.detach() != 0)

    @torch.no_grad()
    def hold(self) -> None:
        """Put zeros back where the optimizer has moved them."""
        for layer in self._layers.values():
            layer.weight.mul_(layer.kept)

    @torch.no_grad()
    def hold_gradients(self) -> None:
        """Let what is masked learn nothing, so that the optimizer remembers nothing of it."""
        for layer in self._layers.values():
            if layer.weight.grad is not None:
                layer.weight.grad.mul_(layer.kept)

    @torch.no_grad()
    def rewind(self, initial: Iterable[tuple[Tensor, Tensor]]) -> None:
        """Give each parameter the values that stand beside it, and put the masks on."""
        for parameter, values in initial:
            parameter.copy_(values)
        self.hold()

    def release(self) -> None:
        """Take the buffers out of the layers, whose weights have their zeros."""
        self.hold()
        for layer in self._layers.values():
            for name in (KEPT, ASIDE, SCORE, FREE):
                layer._buffers.pop(name, None)


class GrowingMasks(Masks):
    """Masks that are chosen again and again, for more and more zeros.

    With ``sparse``, the zeros that layers begin with are counted among them and never come back.
    """

    def __init__(
        self,
        layers: Mapping[str, nn.Module],
        pattern: Pattern,
        *,
        importance: Importance = "l1",
        distribution: Distribution = "uniform",
        sparse: bool = False,
    ) -> None:
        super().__init__(layers)
        self._pattern = pattern
        self._importance = importance
        self._distribution = distribution
        self._sparse = sparse
        for layer in self._layers.values():
            if sparse:
                layer.register_buffer(FREE, layer.kept.clone())
            else:
                layer.kept.fill_(True)
            layer.register_buffer(ASIDE, torch.zeros_like(layer.weight))
            if importance == "movement":
                layer.register_buffer(SCORE, torch.zeros_like(layer.weight))

    @torch.no_grad()
    def hold_gradients(self) -> None:
        """The same, once movement has seen them."""
        if self._importance == "movement":
            for layer in self._layers.values():
                if layer.score is not None and layer.weight.grad is not None:
                    # The gradient with the mask on, of all weights: those masked may earn a place
                    # (Sanh et al., arXiv 2005.07683, section 4).
                    layer.score += importance.movement(_dense(layer), layer.weight.grad)
        super().hold_gradients()

    @torch.no_grad()
    def choose(self, share: float) -> None:
        """New masks with this share of zeros, and put them on."""
        shares = self._shares(share)
        for name, layer in self._layers.items():
            dense = _dense(layer)
            pattern = _on_the_way(self._pattern, shares[name])
            kept = pattern.mask(self._scores(layer), shares[name])
            layer.kept.copy_(kept.reshape(layer.weight.shape))
            if self._sparse:
                layer.kept.logical_and_(layer.free)
            layer.weight.copy_(dense).mul_(layer.kept)
            layer.aside.copy_(dense).masked_fill_(layer.kept, 0)

    def settle(self) -> None:
        """Forget what is masked: from now on masks stay as they are."""
        for layer in self._layers.values():
            for name in {ASIDE, SCORE, FREE} & layer._buffers.keys():
                setattr(layer, name, None)

    def _scores(self, layer: nn.Module) -> Tensor:
        """``[outputs, inputs]``; of zeros that stay, lower than any other."""
        scores: Tensor
        # Before anything has moved, every score is zero: then the small go first.
        if self._importance == "movement" and bool(layer.score.any()):
            scores = layer.score
        elif self._importance == "l2":
            scores = importance.l2(_dense(layer))
        else:
            scores = importance.l1(_dense(layer))
        if not self._sparse:
            return matrix(scores)
        return _zeros_first(matrix(scores), matrix(layer.free), self._pattern)

    def _shares(self, share: float) -> dict[str, float]:
        if self._distribution == "global" and share > 0:
            sketches = {
                name: sketch(self._pattern.groups(self._scores(layer)), layer.weight.numel())
                for name, layer in self._layers.items()
            }
            return by_threshold(sketches, share)
        if self._sparse and isinstance(self._pattern, Blocks):
            had = {
                name: share_of_zeros(self._pattern.groups(matrix(layer.free).float()))
                for name, layer in self._layers.items()
            }
            sizes = {name: layer.weight.numel() for name, layer in self._layers.items()}
            return _filled_up(had, sizes, share)
        return dict.fromkeys(self._layers, share)


def _dense(layer: nn.Module) -> Tensor:
    """The weights without the mask."""
    return torch.where(layer.kept, layer.weight, layer.aside)


def _on_the_way(pattern: Pattern, share: float) -> Blocks | NofM:
    """The pattern at a share below its own: N of M neighbours is on the way to fewer of M."""
    if isinstance(pattern, Blocks):
        return pattern
    # `share_of` takes a share that is a millionth off.
    kept = pattern.size - int((share + 2e-6) * pattern.size)
    return NofM(max(kept, pattern.kept), pattern.size)


def _zeros_first(scores: Tensor, free: Tensor, pattern: Pattern) -> Tensor:
    """Scores below all others for groups of nothing but zeros; zeros add nothing to the rest."""
    groups = pattern if isinstance(pattern, Blocks) else Blocks()
    left = groups.groups(free.float()) > 0
    left = left.repeat_interleave(groups.rows, 0).repeat_interleave(groups.columns, 1)
    # A number and not -inf, as thresholds are found by halving the way between two scores.
    least = 2 * float(scores.min().clamp_max(0)) - 1
    return scores.masked_fill(~free, 0).masked_fill(~left, least)


def _filled_up(
    had: Mapping[str, float], sizes: Mapping[str, int], share: float
) -> dict[str, float]:
    """One share for all layers that do not have more; the mean, weighted by size, is ``share``."""
    wanted = share * sum(sizes.values())
    low, high = 0.0, 1.0
    for _ in range(60):  # bisection: more than a double has bits
        middle = (low + high) / 2
        reached = sum(size * max(had[name], middle) for name, size in sizes.items())
        low, high = (middle, high) if reached < wanted else (low, middle)
    return {name: max(part, high) for name, part in had.items()}
