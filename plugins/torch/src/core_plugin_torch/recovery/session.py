"""What both kinds of recovery begin with: student and teacher, rows, arguments, a folder."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from torch import nn
from transformers import TrainerCallback

from core_plugin_torch.recovery.arguments import arguments
from core_plugin_torch.recovery.checkpoints import Checkpoints, identity
from core_plugin_torch.recovery.judge import judge_for
from core_plugin_torch.recovery.loss import Loss
from core_plugin_torch.recovery.options import RecoverOptions
from core_plugin_torch.recovery.rows import LABELS, TrainRows
from core_plugin_torch.recovery.student import Student, check_hidden, freeze, load_teacher
from core_plugin_torch.recovery.training import Lesson, train
from hwcore.contract import Artifact, Cancelled, Context, Dataset, Target, UserError
from hwcore.transformers import load_module

WORK = "training"
NOTHING_KEPT = (
    "Nothing of it is kept: -o checkpoints=FOLDER keeps the state of the next one, and the same "
    "command goes on from there."
)


class Session:
    """A student that is about to learn. `model` may be changed before `train` is called."""

    def __init__(
        self,
        capability: str,
        source: Artifact,
        options: RecoverOptions,
        data: Dataset | None,
        target: Target,
        reference: Artifact,
        out: Path,
        ctx: Context,
    ) -> None:
        """Raises `UserError` without train rows, or for options and models that do not fit."""
        if data is None or not data.count("train"):
            raise UserError(
                "recovery learns from train rows, and there are none",
                hint="Give data that is like the model's real inputs: --recover --data.",
            )
        if ctx.cancelled():
            raise Cancelled("the training was stopped")
        ctx.progress(0.0, "loading the models")
        signature = source.component().signature
        self.rows = TrainRows(data, signature)
        self.teacher: Any = load_teacher(reference, source)
        if reference.traits.sparsity is not None:
            ctx.log(
                "what is distilled from is sparse itself: --reference names the model that it was "
                "made from",
                "warning",
            )
        # The fused attention's backward pass is the slower one on CPUs.
        attention = "eager" if options.trainer.get("use_cpu", True) else "sdpa"
        self.student = Student(load_module(source, attention=attention), dropout=options.dropout)
        freeze(self.model, options.freeze)
        if options.hidden > 0:
            one = self.rows.batch(range(1))
            one.pop(LABELS, None)
            check_hidden(self.student.flat, self.teacher, one)
        self._judge = judge_for(data, signature, self.teacher, ctx)
        self._options = options
        self._ctx = ctx
        self._loss = Loss(
            classifies=source.task != "feature-extraction",
            temperature=options.temperature,
            labels=options.labels,
            hidden=options.hidden,
        )
        self._work = out / WORK
        self._checkpoints = None
        if options.checkpoints is not None:
            key = identity(
                capability,
                options,
                source=source,
                reference=reference,
                data=data,
                target=target,
                seed=ctx.seed,
            )
            self._checkpoints = Checkpoints(Path(options.checkpoints).absolute(), key)
        self.arguments = arguments(
            options,
            len(self.rows),
            self._work if self._checkpoints is None else self._checkpoints.folder,
            target=target,
            judged=self._judge is not None,
            ctx=ctx,
        )

    @property
    def model(self) -> nn.Module:
        """The student's transformers model, whose parameters have the names of its own."""
        found: nn.Module = self.student.flat.model
        return found

    def fuse_attention(self) -> None:
        """Have the student's attention computed at one stroke, where its model can.

        Nothing is learnt after that.
        """
        model: Any = self.model
        if getattr(model, "_supports_sdpa", True):
            model.set_attn_implementation("sdpa")

    @contextmanager
    def resumable(self) -> Iterator[None]:
        """Where what is done meanwhile is stopped, say what is kept of it. Raises `Cancelled`."""
        try:
            yield
        except Cancelled as error:
            hint = NOTHING_KEPT if self._checkpoints is None else self._checkpoints.kept()
            # After Ctrl-C, nobody waits for the error and its hint any more.
            self._ctx.log(hint, "warning")
            raise Cancelled(str(error), hint=hint) from error

    def train(self, callbacks: Sequence[TrainerCallback], *, since: int) -> dict[str, Any]:
        """Train as `core_plugin_torch.recovery.training.train` does; the outcome as a fact.

        Raises `UserError` where no parameter is left that learns.
        """
        if not any(parameter.requires_grad for parameter in self.student.parameters()):
            raise UserError(
                "no part of the model is left to learn", hint="Take patterns out of freeze."
            )
        lesson = Lesson(
            student=self.student,
            teacher=self.teacher,
            rows=self.rows,
            loss=self._loss,
            judge=self._judge,
            callbacks=callbacks,
            since=since,
        )
        try:
            outcome = train(lesson, self.arguments, self._options, self._checkpoints, self._ctx)
        finally:
            shutil.rmtree(self._work, ignore_errors=True)
        self.student.cpu()
        return asdict(outcome)
