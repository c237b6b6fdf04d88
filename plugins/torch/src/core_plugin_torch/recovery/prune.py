"""Zeros and training at once: ``prune-recover``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, cast

from pydantic import JsonValue
from torch import Tensor, nn
from transformers import TrainerCallback, TrainingArguments

from core_plugin_torch import rewrite as checkpoint
from core_plugin_torch.recovery.callbacks import GrowMasks, HoldMasks
from core_plugin_torch.recovery.masks import KEPT, GrowingMasks, Masks, with_zeros
from core_plugin_torch.recovery.options import PruneRecoverOptions
from core_plugin_torch.recovery.process import contained
from core_plugin_torch.recovery.schedule import CubicSchedule
from core_plugin_torch.recovery.session import Session
from core_plugin_torch.recovery.student import FORMAT
from core_plugin_torch.sparsify import FACT, trait
from core_plugin_torch.sparsity.layers import select
from core_plugin_torch.sparsity.patterns import (
    STRUCTURED,
    UNSTRUCTURED,
    Pattern,
    check_divides,
    matrix,
    measured,
    parse,
    share_of,
    share_of_zeros,
)
from hwcore.contract import (
    Artifact,
    Cancelled,
    Context,
    Dataset,
    Draft,
    Sparsity,
    Target,
    UserError,
)

UPDATES = 100
"""How often masks are chosen anew on the way to all zeros, at most."""


@dataclass(frozen=True)
class _Growth:
    """More zeros, in these layers."""

    layers: dict[str, nn.Module]
    pattern: Pattern
    before: float
    after: float
    """Shares of zeros."""


@dataclass(frozen=True)
class _Zeros:
    """What to do about zeros."""

    held: dict[str, nn.Module]
    """Layers that keep those that they have, and get no more."""
    growth: _Growth | None


class _Pruned(NamedTuple):
    """A tensor whose zeros are recorded."""

    layer: str
    """torch's name."""
    pattern: str
    """That its zeros are meant to be in."""


def prune_recover(
    source: Artifact,
    options: PruneRecoverOptions,
    data: Dataset | None,
    target: Target,
    reference: Artifact,
    out: Path,
    ctx: Context,
) -> Draft:
    """Prune a model step by step while it learns to answer as ``reference`` does.

    The zeros of a source that is sparse are kept; with a larger ``share`` there come more. Raises
    `UserError` for options that do not fit the model, and like
    `core_plugin_torch.recovery.training.train`.
    """
    with contained(ctx):
        session = Session("prune-recover", source, options, data, target, reference, out, ctx)
        with session.resumable():
            return _recovered(session, source, options, out, ctx)


def _recovered(
    session: Session, source: Artifact, options: PruneRecoverOptions, out: Path, ctx: Context
) -> Draft:
    model = session.model
    places = checkpoint.locate(source, dict(model.named_parameters()))
    zeros = _zeros(source, model, options)
    pruned = {
        places[f"{name}.weight"]: _Pruned(name, pattern)
        for name, pattern in _patterns(source, zeros, places).items()
    }
    masks: list[Masks] = [Masks(zeros.held)]
    callbacks: list[TrainerCallback] = [HoldMasks(masks[0])]
    since, growth = 0, zeros.growth
    if growth is not None:
        sparse = source.traits.sparsity is not None
        if sparse and not _follow(growth):
            ctx.log(
                f"zeros that the model has stay, and are not in the pattern {growth.pattern}: "
                f"with those that come they are {UNSTRUCTURED}",
                "warning",
            )
        schedule = _schedule(options, session.arguments, growth)
        growing = GrowingMasks(
            growth.layers,
            growth.pattern,
            importance=options.importance,
            distribution=options.distribution,
            sparse=sparse,
        )
        initial = _initial(session, zeros) if options.rewind else ()
        every = max(1, (schedule.end - schedule.begin) // UPDATES)
        callbacks.append(GrowMasks(growing, schedule, every=every, initial=initial))
        masks.append(growing)
        since = schedule.end + 1
    outcome = session.train(callbacks, since=since)
    for held in masks:
        held.release()
    changes = {places[name]: tensor for name, tensor in model.named_parameters()}
    return _write(source, pruned, changes, outcome, out, ctx)


def _write(
    source: Artifact,
    pruned: Mapping[str, _Pruned],
    changes: Mapping[str, Tensor],
    outcome: JsonValue,
    out: Path,
    ctx: Context,
) -> Draft:
    """Write the checkpoint, and measure the zeros in what is written."""
    found: dict[str, dict[str, Any]] = {}

    def look(name: str, tensor: Tensor) -> None:
        if name in pruned:
            found[name] = {
                "layer": pruned[name].layer,
                "pattern": _measured(pruned[name].pattern, tensor),
                "share": share_of_zeros(tensor),
                "parameters": tensor.numel(),
            }

    def step(fraction: float) -> None:
        if ctx.cancelled():
            raise Cancelled("the training was stopped")
        ctx.progress(0.95 + 0.05 * fraction, "writing")

    written = checkpoint.rewrite(source, out, changes, step=step, look=look)
    sparsity = trait(found)
    if sparsity is None:
        raise UserError(
            "no weight is zero: the layers are too small for that share",
            hint="Choose a larger share, or smaller blocks.",
        )
    return Draft(
        format=FORMAT,
        traits=source.traits.model_copy(update={"sparsity": sparsity}),
        facts={
            **written.facts(),
            FACT: cast(JsonValue, dict(sorted(found.items()))),
            "recovery": outcome,
        },
    )


def _measured(pattern: str, tensor: Tensor) -> str:
    """The pattern that zeros are in: the one that they are meant to be in, or none at all."""
    if pattern == STRUCTURED:
        return measured(None, tensor)
    try:
        known = parse(pattern)
    except UserError:  # another plugin's name, of zeros that have stayed where they were
        return pattern
    return measured(known, tensor)


def _zeros(source: Artifact, model: nn.Module, options: PruneRecoverOptions) -> _Zeros:
    """Raises `UserError` where options, layers and the zeros of the source do not fit."""
    had = source.traits.sparsity
    sparse = {} if had is None else with_zeros(model)
    if had is not None and _asks_for_no_more(had, options):
        if options.include or options.exclude:
            raise UserError(
                "include and exclude choose layers for more zeros, and this call makes none: the "
                "model keeps those that it has",
                hint="Leave them out, or ask for a larger share.",
            )
        return _Zeros(sparse, None)
    # Whole rows and columns that go on being zero are no pattern for more zeros.
    own = UNSTRUCTURED if had is None or had.pattern == STRUCTURED else had.pattern
    pattern = parse(options.pattern or own)
    share = share_of(pattern, options.share)
    if pattern.fixed_share is not None and options.distribution != "uniform":
        raise UserError(
            f"{pattern} has the same share of zeros in every layer",
            hint="Leave distribution out, or choose blocks, as in 1x4.",
        )
    layers = select(model, options.include, options.exclude)
    for name, layer in layers.items():
        check_divides(pattern, layer.weight, name)
        if not layer.weight.requires_grad:
            raise UserError(
                f"{name} does not learn, and cannot be pruned by training",
                hint=f'Take it out of freeze, or leave it as it is: exclude=["{name}"]',
            )
    sizes = [layer.weight.numel() for layer in layers.values()]
    zeros = [share_of_zeros(layer.weight) for layer in layers.values()]
    before = sum(size * part for size, part in zip(sizes, zeros, strict=True)) / sum(sizes)
    held = {name: layer for name, layer in sparse.items() if name not in layers}
    return _Zeros(held, _Growth(layers, pattern, min(before, share), share))


def _patterns(source: Artifact, zeros: _Zeros, places: Mapping[str, str]) -> dict[str, str]:
    """The patterns that zeros are meant to be in, by the names of the layers that were pruned.

    A zero here and there, as an embedding's padding has, was not pruned.
    """
    had = source.traits.sparsity
    earlier = cast(dict[str, dict[str, Any]], source.manifest.facts.get(FACT, {}))
    found: dict[str, str] = {}
    if had is not None:
        facts = {name: earlier.get(places[f"{name}.weight"]) for name in zeros.held}
        for name, fact in facts.items():
            if fact is not None or not earlier:
                found[name] = had.pattern if fact is None else fact["pattern"]
    if zeros.growth is not None:
        found |= dict.fromkeys(zeros.growth.layers, str(zeros.growth.pattern))
    return found


def _follow(growth: _Growth) -> bool:
    """Whether zeros that are there fit in with those that come, as all do with N:M."""
    return growth.pattern.fixed_share is not None or all(
        growth.pattern.followed_by(matrix(layer.weight)) for layer in growth.layers.values()
    )


def _asks_for_no_more(had: Sparsity, options: PruneRecoverOptions) -> bool:
    """Whether a source's zeros are all that are wanted. Raises `UserError` for fewer."""
    if options.pattern not in (None, had.pattern):
        return False
    if options.share is not None and options.share < had.share - 0.005:
        raise UserError(
            f"share is {options.share:g}, and the model has {had.share:.2g} of zeros already",
            hint="Leave share out to recover it as it is, or start from the original model.",
        )
    return options.share is None or options.share <= had.share + 0.005


def _schedule(
    options: PruneRecoverOptions, arguments: TrainingArguments, growth: _Growth
) -> CubicSchedule:
    """Raises `UserError` where it would end before it begins."""
    if options.begin > options.end:
        raise UserError(
            f"the zeros would begin at {options.begin:g} of the steps and end at {options.end:g}",
            hint="Let begin be less than end.",
        )
    # The last step has to be one with all zeros.
    begin, end = (
        min(round(share * arguments.max_steps), arguments.max_steps - 1)
        for share in (options.begin, options.end)
    )
    return CubicSchedule(growth.before, growth.after, begin, end)


def _initial(session: Session, zeros: _Zeros) -> Sequence[tuple[Tensor, Tensor]]:
    """Parameters that learn and the values that the original has under the same name and shape.

    Raises `UserError` where it has none for a layer that is pruned.
    """
    original = dict(session.teacher.model.named_parameters())
    found: list[tuple[Tensor, Tensor]] = []
    for name, parameter in session.model.named_parameters():
        values = original.get(name)
        layer, _, kind = name.rpartition(".")
        if values is None or values.shape != parameter.shape:
            if kind == "weight" and zeros.growth is not None and layer in zeros.growth.layers:
                raise UserError(
                    f"the original model has no {layer} of that size to rewind to",
                    hint="Leave rewind out, or name the model that this one was made from.",
                )
        elif parameter.requires_grad:
            held = zeros.held.get(layer) if kind == "weight" else None
            found.append((parameter, values if held is None else values * getattr(held, KEPT)))
    return found
