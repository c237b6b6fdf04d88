"""Zeros in the layers of a torch module: which, how many in each, and block by block."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal, TypeVar

from torch import Tensor, nn

from core_plugin_torch.sparsity import importance, shares
from core_plugin_torch.sparsity.layers import select
from core_plugin_torch.sparsity.layerwise import Beat, passes, walk
from core_plugin_torch.sparsity.methods import METHODS, MethodName
from core_plugin_torch.sparsity.patterns import Pattern, check_divides, matrix
from core_plugin_torch.sparsity.statistics import Statistics
from hwcore.contract import UserError

Row = TypeVar("Row")
Distribution = Literal["uniform", "global", "sensitivity"]


@dataclass(frozen=True)
class Request:
    """What to do to a model."""

    method: MethodName
    pattern: Pattern
    share: float
    """Of zeros in all chosen layers together, in (0, 1)."""
    distribution: Distribution = "uniform"
    spread: float = 0.1
    """How far shares by sensitivity may be from ``share``."""
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()


def chosen(model: nn.Module, request: Request) -> dict[str, nn.Module]:
    """The layers that a request is about, by name.

    Raises `UserError` where layers, pattern and method do not fit each other.
    """
    if request.pattern.fixed_share is not None and request.distribution != "uniform":
        raise UserError(
            f"{request.pattern} has the same share of zeros in every layer",
            hint="Leave distribution out, or choose blocks, as in 1x4.",
        )
    layers = select(model, request.include, request.exclude)
    for name, layer in layers.items():
        check_divides(request.pattern, layer.weight, name)
        if METHODS[request.method].statistics is not None:
            _check_takes_vectors(name, layer, request.method)
    return layers


def beats(model: nn.Module, request: Request, rows: int) -> int:
    """How often `prune` beats, at most."""
    if METHODS[request.method].statistics is None:
        return len(chosen(model, request))
    return rows * passes(model) * (1 if request.distribution == "uniform" else 2)


def prune(
    model: nn.Module,
    request: Request,
    *,
    forward: Callable[[Row], object] | None = None,
    rows: Sequence[Row] = (),
    beat: Beat = lambda: None,
) -> dict[str, nn.Module]:
    """Put zeros into the weights of ``model``; the layers that were pruned, by name.

    Wanda and SparseGPT take calibration ``rows`` and ``forward``, which runs the model on one;
    see `core_plugin_torch.sparsity.layerwise.walk`. Layers are given new weight tensors: what
    the old ones were mapped from stays as it is.

    Raises `UserError` like `chosen`, and for rows that do not tell of every layer.
    """
    layers = chosen(model, request)
    statistics = METHODS[request.method].statistics
    if statistics is None:
        told = {name: _tell(request, name, layer, None) for name, layer in layers.items()}
        planned = _planned(request, layers, told)
        for name, layer in layers.items():
            _put_zeros(request, name, layer, None, planned[name])
            beat()
        return layers
    if forward is None or not rows:
        raise UserError(
            f"{request.method} needs calibration rows", hint="Give some, or choose magnitude."
        )

    def over(visit: Callable[[str, Statistics], bool]) -> None:
        """Visit each layer with what the rows tell of it."""
        seen: set[str] = set()

        def visit_block(_: str, found: Mapping[str, Statistics]) -> bool:
            seen.update(found)
            changed = False
            for name, given in found.items():
                changed |= visit(name, given)
            return changed

        walk(model, forward, rows, layers, visit_block, statistics=statistics, beat=beat)
        check_all_seen(layers, seen)

    told = {}
    if request.distribution != "uniform":

        def look(name: str, given: Statistics) -> bool:
            told[name] = _tell(request, name, layers[name], given)
            return False

        over(look)
    planned = _planned(request, layers, told)

    def put_zeros(name: str, given: Statistics) -> bool:
        _put_zeros(request, name, layers[name], given, planned[name])
        return True

    over(put_zeros)
    return layers


def _tell(
    request: Request, name: str, layer: nn.Module, given: Statistics | None
) -> shares.Sketch | float | None:
    """What a layer's share is decided by."""
    if request.distribution == "uniform":
        return None
    weight = _weight(layer)
    with _sound(request, name, given):
        scores = METHODS[request.method].scores(weight, given)
    if request.distribution == "global":
        return shares.sketch(request.pattern.groups(scores), weight.numel())
    zeros = weight * request.pattern.mask(scores, request.share)
    return importance.relative_error(weight, zeros, None if given is None else given.gram)


def _planned(
    request: Request,
    layers: Mapping[str, nn.Module],
    told: Mapping[str, shares.Sketch | float | None],
) -> dict[str, float]:
    """The share of each layer."""
    if request.distribution == "global":
        sketches = {n: found for n, found in told.items() if isinstance(found, shares.Sketch)}
        return shares.by_threshold(sketches, request.share)
    if request.distribution == "sensitivity":
        errors = {n: found for n, found in told.items() if isinstance(found, float)}
        sizes = {name: layer.weight.numel() for name, layer in layers.items()}
        return shares.by_sensitivity(errors, sizes, request.share, spread=request.spread)
    return dict.fromkeys(layers, request.share)


def _put_zeros(
    request: Request, name: str, layer: nn.Module, given: Statistics | None, share: float
) -> None:
    with _sound(request, name, given):
        made = METHODS[request.method].pruned(_weight(layer), given, request.pattern, share)
    layer.weight.data = made.to(layer.weight.dtype).reshape(layer.weight.shape)


@contextmanager
def _sound(request: Request, name: str, given: Statistics | None) -> Iterator[None]:
    """Raise `UserError` that names the layer whose inputs its method can make nothing of."""
    if given is not None:
        check_finite(name, given)
    try:
        yield
    except ValueError as error:
        raise UserError(
            f"{name} cannot be pruned by {request.method}: {error}",
            hint=f'Give more calibration rows, choose wanda, or leave it out: exclude=["{name}"]',
        ) from error


def _weight(layer: nn.Module) -> Tensor:
    found: Tensor = matrix(layer.weight.detach()).float()
    return found


def _check_takes_vectors(name: str, layer: nn.Module, method: str) -> None:
    """Raise `UserError` for a layer whose inputs are not the columns of its weight."""
    lookup = isinstance(layer, nn.Embedding)
    if lookup or (isinstance(layer, nn.Conv2d) and layer.groups != 1):
        kind = "an embedding" if lookup else "a grouped convolution"
        raise UserError(
            f"{method} cannot prune {name}, which is {kind}",
            hint=f'Choose magnitude, or leave it out: exclude=["{name}"]',
        )


def check_finite(name: str, given: Statistics) -> None:
    """Raise `UserError` where a layer's inputs on the calibration rows are no numbers."""
    if not bool(given.norms.isfinite().all()):
        raise UserError(
            f"the calibration rows give {name} inputs that are not finite",
            hint="Look for NaN or infinity in the model's weights.",
        )


def check_all_seen(layers: Collection[str], seen: Collection[str]) -> None:
    """Raise `UserError` for a layer that no calibration row comes to."""
    missing = [name for name in layers if name not in seen]
    if missing:
        raise UserError(
            f"the calibration rows do not reach {missing[0]}",
            hint=f'Leave it out: exclude=["{missing[0]}"]',
        )
