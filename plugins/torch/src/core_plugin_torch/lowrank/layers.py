"""A linear layer of two, and which layers of a model become one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from torch import Tensor, nn

from core_plugin_torch.lowrank.factors import (
    Decomposition,
    Factors,
    decompose,
    rank_of_energy,
    rank_of_share,
    saves,
)
from core_plugin_torch.lowrank.options import LowRankOptions
from core_plugin_torch.sparsity.layers import select
from core_plugin_torch.sparsity.layerwise import Beat, walk
from core_plugin_torch.sparsity.prune import check_all_seen, check_finite
from core_plugin_torch.sparsity.statistics import Gram, Statistics
from hwcore.contract import UserError

KEEP = 0.5
"""Share of the parameters that stay where nothing is said."""

Way = Literal["keep", "energy", "rank"]
"""An option that decides ranks."""
WAYS: tuple[Way, ...] = ("keep", "energy", "rank")


class Factored(nn.Module):
    """A linear layer whose weight is a product: ``inner`` to the rank, ``outer`` to the outputs."""

    def __init__(self, factors: Factors, bias: Tensor | None) -> None:
        super().__init__()
        self.inner = _linear(factors.inner, None)
        self.outer = _linear(factors.outer, bias)
        self.rank = factors.rank
        self.energy = factors.energy
        self.size = factors.parameters

    @property
    def weight(self) -> Tensor:
        """The product, for code that looks at a layer's weight."""
        found: Tensor = self.outer.weight @ self.inner.weight
        return found

    @property
    def bias(self) -> Tensor | None:
        """Of the outputs."""
        found: Tensor | None = self.outer.bias
        return found

    def forward(self, x: Tensor) -> Tensor:
        """``[…, inputs]`` to ``[…, outputs]``."""
        found: Tensor = self.outer(self.inner(x))
        return found


@dataclass(frozen=True)
class Want:
    """How thin factors are to be."""

    by: Way
    """Share of the parameters, share of the energy, or the rank itself."""
    value: float

    @classmethod
    def of(cls, options: LowRankOptions) -> Want:
        """Raises `UserError` where more than one of them is given."""
        given: list[Want] = []
        for by in WAYS:
            value = getattr(options, by)
            if value is not None:
                given.append(cls(by, value))
        if len(given) > 1:
            raise UserError(
                f"{' and '.join(want.by for want in given)} each decide the ranks",
                hint="Leave all but one of them out.",
            )
        return given[0] if given else cls("keep", KEEP)

    def __str__(self) -> str:
        return f"{self.by}={self.value:g}"

    def check(self, name: str, weight: Tensor) -> None:
        """Raise `UserError` for a rank that a layer cannot have."""
        most = min(weight.shape)
        if self.by == "rank" and self.value > most:
            rows, columns = weight.shape
            raise UserError(
                f"rank is {self.value:g}, and {name}, which is {rows} × {columns}, has at most "
                f"{most}",
                hint=f'Choose a smaller rank, or leave the layer out: exclude=["{name}"]',
            )

    def rank(self, found: Decomposition) -> int:
        """The rank of one matrix."""
        match self.by:
            case "rank":
                return int(self.value)
            case "energy":
                return rank_of_energy(found.energies, self.value)
            case "keep":
                return rank_of_share(len(found.left), found.right.shape[1], self.value)


def chosen(model: nn.Module, options: LowRankOptions) -> dict[str, nn.Module]:
    """The linear layers that options are about, by name.

    Raises `UserError` where layers and ranks do not fit each other.
    """
    layers = select(model, options.include, options.exclude, kinds=(nn.Linear,), what="factorize")
    want = Want.of(options)
    for name, layer in layers.items():
        want.check(name, layer.weight)
        if not bool(layer.weight.isfinite().all()):
            raise UserError(
                f"the weights of {name} are not finite",
                hint="Train or save the model again; NaN and infinity have no factors.",
            )
    return layers


def by_weights(
    model: nn.Module, layers: Mapping[str, nn.Module], want: Want, beat: Beat = lambda: None
) -> dict[str, Factored]:
    """Put layers of two into the model for those that become smaller by it; the new ones by name.

    The old ones lose their weights, so that memory never holds both of more than one layer. Raises
    `UserError` if no layer would be smaller.
    """
    found = {}
    for name, layer in layers.items():
        factors = _factors(layer, want, None)
        if factors is not None:
            found[name] = _replace(model, layer, factors)
        beat()
    _check_any(found, want)
    return found


def by_rows(
    model: nn.Module,
    layers: Mapping[str, nn.Module],
    want: Want,
    forward: Callable[[Any], object],
    rows: Sequence[Any],
    beat: Beat = lambda: None,
) -> dict[str, Factored]:
    """The same, with the least error on calibration rows, block by block.

    A block sees what the blocks before it make of the rows when they are factorized. Raises
    `UserError` like `by_weights`, and for rows that do not tell of every layer; see
    `core_plugin_torch.sparsity.layerwise.walk`.
    """
    found: dict[str, Factored] = {}
    seen: set[str] = set()

    def visit(_: str, told: Mapping[str, Statistics]) -> bool:
        for name, given in told.items():
            seen.add(name)
            check_finite(name, given)
            factors = _factors(layers[name], want, given.gram)
            if factors is not None:
                found[name] = _replace(model, layers[name], factors)
        return any(name in found for name in told)

    walk(model, forward, rows, layers, visit, statistics=Gram, beat=beat)
    check_all_seen(layers, seen)
    _check_any(found, want)
    return {name: found[name] for name in layers if name in found}


def _replace(model: nn.Module, layer: nn.Module, factors: Factors) -> Factored:
    """Put a layer of two into the model, wherever ``layer`` is."""
    made = Factored(factors, layer.bias)
    for path, module in list(model.named_modules(remove_duplicate=False)):
        if module is layer:
            parent, _, own = path.rpartition(".")
            setattr(model.get_submodule(parent), own, made)
    del layer.weight  # callers still hold the layer
    return made


def _factors(layer: nn.Module, want: Want, gram: Tensor | None) -> Factors | None:
    """``None`` where they would not be smaller."""
    weight = layer.weight.detach()
    outputs, inputs = weight.shape
    found = decompose(weight, gram)
    rank = want.rank(found)
    return found.truncated(rank) if saves(outputs, inputs, rank) else None


def _check_any(found: Mapping[str, Factored], want: Want) -> None:
    if not found:
        raise UserError(
            f"no layer would be smaller: {want} takes factors as large as the layers are",
            hint="Choose less of it: factors of rank r have r · (outputs + inputs) parameters.",
        )


def _linear(weight: Tensor, bias: Tensor | None) -> nn.Linear:
    outputs, inputs = weight.shape
    made = nn.Linear(inputs, outputs, bias=bias is not None, device="meta")
    made.weight = nn.Parameter(weight.contiguous(), requires_grad=False)
    made.bias = bias
    return made
