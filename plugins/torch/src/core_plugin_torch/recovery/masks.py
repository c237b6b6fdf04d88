"""Weights that stay zero through training, and masks that grow while it goes on.

A mask lies in a buffer of its layer, and so in every checkpoint. While masks still change, the
weights that are masked now keep their values beside it, as they may come back (Zhu and Gupta,
arXiv 1710.01878, section 3: a mask is chosen anew among all weights, and those it masks get no
update).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor, nn

from core_plugin_torch.sparsity import importance
from core_plugin_torch.sparsity.patterns import Blocks, NofM, Pattern, matrix
from core_plugin_torch.sparsity.shares import by_threshold, sketch

Importance = Literal["l1", "l2", "movement"]
Distribution = Literal["uniform", "global"]

KEPT, DENSE, SCORE = "kept", "dense", "score"
"""Buffers: what is not masked, the weights as they are without the mask, sums of movement."""


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
    def rewind(self, initial: Mapping[str, Tensor]) -> None:
        """Give the weights that are kept the values of ``initial``, by the layers' names."""
        for name, layer in self._layers.items():
            layer.weight.copy_(initial[name]).mul_(layer.kept)

    def release(self) -> None:
        """Take the buffers out of the layers, whose weights have their zeros."""
        self.hold()
        for layer in self._layers.values():
            for name in (KEPT, DENSE, SCORE):
                layer._buffers.pop(name, None)


class GrowingMasks(Masks):
    """Masks that are chosen again and again, for more and more zeros."""

    def __init__(
        self,
        layers: Mapping[str, nn.Module],
        pattern: Pattern,
        *,
        importance: Importance = "l1",
        distribution: Distribution = "uniform",
    ) -> None:
        super().__init__(layers)
        self._pattern = pattern
        self._importance = importance
        self._distribution = distribution
        for layer in self._layers.values():
            layer.kept.fill_(True)
            layer.register_buffer(DENSE, layer.weight.detach().clone())
            if importance == "movement":
                layer.register_buffer(SCORE, torch.zeros_like(layer.weight))

    @torch.no_grad()
    def before_update(self) -> None:
        """Between gradients and the optimizer: hand it the weights without their masks."""
        for layer in self._layers.values():
            if layer.dense is None:
                continue
            if self._importance == "movement" and layer.weight.grad is not None:
                # The gradient with the mask on, of all weights: those masked may earn a place
                # (Sanh et al., arXiv 2005.07683, section 4).
                layer.score += importance.movement(layer.dense, layer.weight.grad)
            layer.weight.copy_(layer.dense)
        self.hold_gradients()

    @torch.no_grad()
    def after_update(self) -> None:
        """After the optimizer: keep what it has made, and put the masks on."""
        for layer in self._layers.values():
            if layer.dense is not None:
                layer.dense.copy_(layer.weight)
        self.hold()

    @torch.no_grad()
    def choose(self, share: float) -> None:
        """New masks with this share of zeros, and put them on."""
        shares = self._shares(share)
        for name, layer in self._layers.items():
            if shares[name] > 0:
                pattern = _on_the_way(self._pattern, shares[name])
                kept = pattern.mask(matrix(self._scores(layer)), shares[name])
                layer.kept.copy_(kept.reshape(layer.weight.shape))
            layer.weight.copy_(layer.dense).mul_(layer.kept)

    def settle(self) -> None:
        """Forget what is masked: from now on masks stay as they are."""
        for layer in self._layers.values():
            layer.dense = None
            if self._importance == "movement":
                layer.score = None

    def _scores(self, layer: nn.Module) -> Tensor:
        if self._importance == "movement":
            scores: Tensor = layer.score
            # Before anything has moved, every score is zero: then the small go first.
            return scores if bool(scores.any()) else importance.l1(layer.dense)
        return {"l1": importance.l1, "l2": importance.l2}[self._importance](layer.dense)

    def _shares(self, share: float) -> dict[str, float]:
        if self._distribution == "uniform" or share == 0:
            return dict.fromkeys(self._layers, share)
        sketches = {
            name: sketch(self._pattern.groups(matrix(self._scores(layer))), layer.weight.numel())
            for name, layer in self._layers.items()
        }
        return by_threshold(sketches, share)


def _on_the_way(pattern: Pattern, share: float) -> Blocks | NofM:
    """The pattern at a share below its own: N of M neighbours is on the way to fewer of M."""
    if isinstance(pattern, Blocks):
        return pattern
    kept = pattern.size - int(share * pattern.size + 1e-6)
    return NofM(max(kept, pattern.kept), pattern.size)
