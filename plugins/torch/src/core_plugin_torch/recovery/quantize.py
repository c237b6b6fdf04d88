"""Quantization-aware training: ``qat``."""

from __future__ import annotations

from pathlib import Path

import torch

from core_plugin_torch import program as programs
from core_plugin_torch.export import capture
from core_plugin_torch.pt2e.options import StaticOptions
from core_plugin_torch.pt2e.recipe import reduces_range
from core_plugin_torch.recovery import fake_layers
from core_plugin_torch.recovery.callbacks import HoldMasks, ObserveRanges
from core_plugin_torch.recovery.fake_quantization import HIGH, REDUCED_HIGH
from core_plugin_torch.recovery.masks import Masks, with_zeros
from core_plugin_torch.recovery.options import QatOptions
from core_plugin_torch.recovery.process import contained
from core_plugin_torch.recovery.rows import LABELS
from core_plugin_torch.recovery.session import Session
from core_plugin_torch.recovery.student import answer
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
        with session.resumable():
            return _trained(session, source, options, target, out, ctx)


def _trained(
    session: Session,
    source: Artifact,
    options: QatOptions,
    target: Target,
    out: Path,
    ctx: Context,
) -> Draft:
    model, learnt = session.model, options.ranges == "learnt"
    masks = Masks({} if source.traits.sparsity is None else with_zeros(model))
    # Ranges are those of int8-static, for the same kernels.
    most = REDUCED_HIGH if reduces_range(StaticOptions(), target) else HIGH
    fake_layers.prepare(model, learnt=learnt, most=most, exclude=options.exclude)
    _calibrate(session, options, ctx)
    # What is learnt begins where calibration ends, and is not to be written over.
    until = 0 if learnt else round(options.observe * session.arguments.max_steps)
    outcome = session.train((HoldMasks(masks), ObserveRanges(model, until)), since=0)
    masks.release()
    fake_layers.convert(model)
    session.fuse_attention()
    ctx.progress(0.92, "capturing the graph")
    flat = session.student.flat.eval().requires_grad_(False)
    program = capture(flat, source.component().signature, seed=ctx.seed)
    ctx.progress(0.97, "writing")
    traits = source.traits.model_copy(update={"quantization": SCHEME})
    facts = {"parameters": source.manifest.facts["parameters"], "recovery": outcome}
    return programs.write(program, source, traits, out, facts=facts)


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
