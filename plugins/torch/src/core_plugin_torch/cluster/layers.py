"""Layers whose weights are clustered, and which layers of a model become some."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor, nn
from torch.nn import functional

from core_plugin_torch.cluster.options import ClusterOptions
from core_plugin_torch.cluster.weights import Clustered, size
from core_plugin_torch.sparsity.layers import select
from hwcore.contract import UserError


class _Layer(nn.Module):
    """What stands in the place of a layer."""

    def __init__(self, clustered: Clustered, bias: Tensor | None = None) -> None:
        super().__init__()
        self.clustered = clustered
        self.register_buffer("bias", bias)

    @property
    def weight(self) -> Tensor:
        """Decoded, for code that looks at a layer's weight."""
        found: Tensor = self.clustered()
        return found


class ClusteredLinear(_Layer):
    """A linear layer."""

    def forward(self, x: Tensor) -> Tensor:
        """``[…, inputs]`` to ``[…, outputs]``."""
        return functional.linear(x, self.clustered(), self.bias)


class ClusteredConv2d(_Layer):
    """A convolution of images, padded with zeros."""

    def __init__(self, layer: nn.Conv2d, clustered: Clustered) -> None:
        super().__init__(clustered, layer.bias)
        self._geometry = layer.stride, layer.padding, layer.dilation, layer.groups

    def forward(self, x: Tensor) -> Tensor:
        """``[batch, channels, height, width]`` to the same of the output."""
        return functional.conv2d(x, self.clustered(), self.bias, *self._geometry)


class ClusteredEmbedding(_Layer):
    """A table, of which the rows that are looked up are decoded."""

    def forward(self, ids: Tensor) -> Tensor:
        """int64 ``[…]`` to ``[…, width]``."""
        found: Tensor = self.clustered.rows(ids)
        return found


def chosen(model: nn.Module, options: ClusterOptions) -> dict[str, nn.Module]:
    """The layers that options are about, and that clustering makes smaller, by name.

    Raises `UserError` where there are none, or one cannot be clustered.
    """
    found = {}
    for name, layer in select(model, options.include, options.exclude, what="cluster").items():
        _check(name, layer)
        if size(layer.weight, options.bits, options.rows) < layer.weight.numel() * 4:
            found[name] = layer
    if not found:
        raise UserError(
            f"no layer would be smaller: codebooks of {1 << options.bits} values take as much "
            "as the weights do",
            hint="Choose fewer bits, or a codebook for more rows.",
        )
    return found


def replace(
    model: nn.Module,
    layers: Mapping[str, nn.Module],
    options: ClusterOptions,
    beat: Callable[[], None] = lambda: None,
) -> dict[str, Clustered]:
    """Put clustered layers into the model, wherever one of ``layers`` is; their weights, by name.

    ``beat`` is called after each codebook.
    """
    made: dict[int, nn.Module] = {}
    weights = {}
    for name, layer in layers.items():
        weights[name] = Clustered(layer.weight, options.bits, options.rows, beat)
        made[id(layer)] = _of(layer, weights[name])
    for path, module in list(model.named_modules(remove_duplicate=False)):
        if id(module) in made:
            parent, _, own = path.rpartition(".")
            setattr(model.get_submodule(parent), own, made[id(module)])
    return weights


def _of(layer: Any, clustered: Clustered) -> nn.Module:
    match layer:
        case nn.Conv2d():
            return ClusteredConv2d(layer, clustered)
        case nn.Embedding():
            return ClusteredEmbedding(clustered)
    return ClusteredLinear(clustered, layer.bias)


def _check(name: str, layer: Any) -> None:
    """Raise `UserError` for a layer that cannot be clustered."""
    if not bool(layer.weight.isfinite().all()):
        raise UserError(
            f"the weights of {name} are not finite",
            hint="Train or save the model again; NaN and infinity are near no value.",
        )
    if isinstance(layer, nn.Conv2d) and layer.padding_mode != "zeros":
        raise UserError(
            f"{name} cannot be clustered: it is padded by {layer.padding_mode}, not with zeros",
            hint=f'Leave it out: exclude=["{name}"]',
        )
