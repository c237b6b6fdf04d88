"""Zeros and training at once: ``prune-recover``."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import torch
from pydantic import JsonValue
from torch import Tensor, nn
from transformers import TrainerCallback, TrainingArguments

from core_plugin_torch import rewrite as checkpoint
from core_plugin_torch.recovery.callbacks import GrowMasks, HoldMasks
from core_plugin_torch.recovery.masks import GrowingMasks, Masks
from core_plugin_torch.recovery.options import PruneRecoverOptions
from core_plugin_torch.recovery.process import contained
from core_plugin_torch.recovery.schedule import CubicSchedule
from core_plugin_torch.recovery.session import Session
from core_plugin_torch.recovery.student import FORMAT
from core_plugin_torch.sparsity.layers import PRUNABLE, select
from core_plugin_torch.sparsity.patterns import (
    UNSTRUCTURED,
    Pattern,
    check_divides,
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

FACT = "sparsity"
"""Of each pruned tensor, by its name in the checkpoint; as the other rows that sparsify say it."""
UPDATES = 100
"""How often masks are chosen anew on the way to all zeros, at most."""


@dataclass(frozen=True)
class _Zeros:
    """What to do about zeros: hold those of the source, or make more."""

    layers: dict[str, nn.Module]
    pattern: str
    growth: tuple[Pattern, float, float] | None
    """Pattern, share before and after; ``None`` where the zeros stay those that there are."""


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
        model = session.model
        places = checkpoint.locate(source, dict(model.named_parameters()))
        zeros = _zeros(source, model, options)
        masks: Masks
        callback: TrainerCallback
        if zeros.growth is None:
            masks, since = Masks(zeros.layers), 0
            callback = HoldMasks(masks)
        else:
            pattern, before, after = zeros.growth
            masks = GrowingMasks(
                zeros.layers,
                pattern,
                importance=options.importance,
                distribution=options.distribution,
            )
            schedule = _schedule(options, session.arguments, before, after)
            since = schedule.end + 1
            callback = GrowMasks(
                masks,
                schedule,
                every=max(1, (schedule.end - schedule.begin) // UPDATES),
                initial=_initial(session, zeros.layers) if options.rewind else None,
            )
        outcome = session.train((callback,), since=since)
        masks.release()
        trained = dict(model.named_parameters())
        changes = {places[name]: tensor for name, tensor in trained.items()}
        held = {places[f"{name}.weight"] for name in zeros.layers}
        # A zero here and there, as an embedding's padding has, was not pruned.
        earlier = cast(dict[str, JsonValue], source.manifest.facts.get(FACT, {}))
        pruned = (held & earlier.keys()) or held if zeros.growth is None else held
        return _write(source, zeros.pattern, pruned, changes, outcome, out, ctx)


def _write(
    source: Artifact,
    pattern: str,
    pruned: Collection[str],
    changes: Mapping[str, Tensor],
    outcome: JsonValue,
    out: Path,
    ctx: Context,
) -> Draft:
    """Write the checkpoint, and measure the zeros in what is written."""
    found: dict[str, dict[str, JsonValue]] = {}
    counts = {"zeros": 0, "weights": 0}

    def look(name: str, tensor: Tensor) -> None:
        if name in pruned:
            zeros = tensor.numel() - int(torch.count_nonzero(tensor))
            counts["zeros"] += zeros
            counts["weights"] += tensor.numel()
            share = zeros / tensor.numel()
            found[name] = {"pattern": pattern, "share": share, "parameters": tensor.numel()}

    def step(fraction: float) -> None:
        if ctx.cancelled():
            raise Cancelled("the training was stopped")
        ctx.progress(0.95 + 0.05 * fraction, "writing")

    written = checkpoint.rewrite(source, out, changes, step=step, look=look)
    if not counts["zeros"]:
        raise UserError(
            "no weight is zero: the layers are too small for that share",
            hint="Choose a larger share, or smaller blocks.",
        )
    sparsity = Sparsity(pattern=pattern, share=counts["zeros"] / counts["weights"])
    return Draft(
        format=FORMAT,
        traits=source.traits.model_copy(update={"sparsity": sparsity}),
        facts={
            **written.facts(),
            FACT: cast(JsonValue, dict(sorted(found.items()))),
            "recovery": outcome,
        },
    )


def _zeros(source: Artifact, model: nn.Module, options: PruneRecoverOptions) -> _Zeros:
    """Raises `UserError` where options, layers and the zeros of the source do not fit."""
    had = source.traits.sparsity
    if had is not None and _asks_for_no_more(had, options):
        layers = {
            name: found
            for name, found in model.named_modules()
            if isinstance(found, PRUNABLE) and share_of_zeros(found.weight) > 0
        }
        return _Zeros(layers, had.pattern, None)
    pattern = parse(options.pattern or (had.pattern if had is not None else UNSTRUCTURED))
    share = share_of(pattern, options.share)
    layers = select(model, options.include, options.exclude)
    for name, layer in layers.items():
        check_divides(pattern, layer.weight, name)
    sizes = [layer.weight.numel() for layer in layers.values()]
    zeros = [share_of_zeros(layer.weight) for layer in layers.values()]
    before = sum(size * part for size, part in zip(sizes, zeros, strict=True)) / sum(sizes)
    return _Zeros(layers, str(pattern), (pattern, min(before, share), share))


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
    options: PruneRecoverOptions, arguments: TrainingArguments, before: float, after: float
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
    return CubicSchedule(before, after, begin, end)


def _initial(session: Session, layers: dict[str, nn.Module]) -> dict[str, Tensor]:
    """The original's weights of these layers. Raises `UserError` where it has others."""
    found: dict[str, Tensor] = {}
    original = dict(session.teacher.model.named_modules())
    for name, layer in layers.items():
        weight = getattr(original.get(name), "weight", None)
        if weight is None or weight.shape != layer.weight.shape:
            raise UserError(
                f"the original model has no {name} of that size to rewind to",
                hint="Leave rewind out, or name the model that this one was made from.",
            )
        found[name] = weight.detach()
    return found
