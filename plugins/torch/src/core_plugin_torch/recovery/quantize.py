"""Quantization-aware training: ``qat``."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from core_plugin_torch import program as programs
from core_plugin_torch.export import capture
from core_plugin_torch.recovery import fake_layers
from core_plugin_torch.recovery.callbacks import HoldMasks, ObserveRanges
from core_plugin_torch.recovery.masks import Masks
from core_plugin_torch.recovery.options import QatOptions
from core_plugin_torch.recovery.process import contained
from core_plugin_torch.recovery.rows import LABELS
from core_plugin_torch.recovery.session import Session
from core_plugin_torch.recovery.student import answer
from core_plugin_torch.sparsity.layers import PRUNABLE
from core_plugin_torch.sparsity.patterns import share_of_zeros
from hwcore.contract import Artifact, Cancelled, Context, Dataset, Draft, Target

SCHEME = "int8-static"


def qat(
    source: Artifact,
    options: QatOptions,
    data: Dataset | None,
    target: Target,
    reference: Artifact,
    out: Path,
    ctx: Context,
) -> Draft:
    """Train a model whose linear layers round to int8, to answer as ``reference`` does.

    Where the source is sparse, its zeros stay. What comes out is a program with int8 weights
    and PT2E's reference operators. Raises `UserError` for options that do not fit the model, and
    like `core_plugin_torch.recovery.training.train`.
    """
    with contained(ctx):
        session = Session("qat", source, options, data, target, reference, out, ctx)
        model = session.model
        masks = Masks({} if source.traits.sparsity is None else _with_zeros(model))
        fake_layers.prepare(model, learnt=options.ranges == "learnt", exclude=options.exclude)
        _calibrate(session, options, ctx)
        steps = session.arguments.max_steps
        ranges = ObserveRanges(model, until=round(options.observe * steps))
        outcome = session.train((HoldMasks(masks), ranges), since=0)
        masks.release()
        fake_layers.convert(model)
        ctx.progress(0.92, "capturing the graph")
        flat = session.student.flat.eval().requires_grad_(False)
        program = capture(flat, source.component().signature, seed=ctx.seed)
        ctx.progress(0.97, "writing")
        traits = source.traits.model_copy(update={"quantization": SCHEME})
        facts = {"parameters": source.manifest.facts["parameters"], "recovery": outcome}
        return programs.write(program, source, traits, out, facts=facts)


def _with_zeros(model: nn.Module) -> dict[str, nn.Module]:
    """Layers that were pruned, by name."""
    return {
        name: found
        for name, found in model.named_modules()
        if isinstance(found, PRUNABLE) and share_of_zeros(found.weight) > 0
    }


@torch.no_grad()
def _calibrate(session: Session, options: QatOptions, ctx: Context) -> None:
    """Begin the ranges with what some rows give in floating point."""
    fake_layers.observe(session.model, observing=True, rounding=False)
    count = min(options.calibrate, len(session.rows))
    for begin in range(0, count, options.batch_size):
        if ctx.cancelled():
            raise Cancelled("the training was stopped")
        inputs = session.rows.batch(range(begin, min(begin + options.batch_size, count)))
        inputs.pop(LABELS, None)
        answer(session.student.flat, inputs, hidden=False)
        ctx.progress(0.1 * min(1.0, (begin + options.batch_size) / count), "calibrating")
    fake_layers.observe(session.model, observing=False)
