"""One training, from its first step or from a checkpoint to the best model that it found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor, nn
from transformers import Trainer, TrainerCallback, TrainingArguments
from transformers.trainer_callback import PrinterCallback

from core_plugin_torch.recovery import selection
from core_plugin_torch.recovery.callbacks import Stop, Tell
from core_plugin_torch.recovery.checkpoints import WEIGHTS, Checkpoints, load_checkpoint
from core_plugin_torch.recovery.judge import MASK, Judge
from core_plugin_torch.recovery.loss import Diverged, Loss
from core_plugin_torch.recovery.options import RecoverOptions
from core_plugin_torch.recovery.rows import LABELS, TrainRows
from core_plugin_torch.recovery.selection import SCORE, Scored, scored
from core_plugin_torch.recovery.student import Student, answer
from hwcore.contract import Context, HardwareUnavailable, UserError

NO_MEMORY = ("not enough memory", "can't allocate memory", "out of memory")
"""What torch says in a plain `RuntimeError`."""
BEGIN, END = 0.1, 0.9
"""Fractions of the whole step that training takes."""


@dataclass(frozen=True)
class Outcome:
    """How a training ended."""

    steps: int
    """That were taken."""
    step: int
    """The one whose weights are the result."""
    reason: str | None
    """Why it ended before its time; ``None`` where it did not."""
    score: float | None
    """Of the result, over the ``tune`` rows; ``None`` where nothing could be scored."""
    original: float | None
    """The reference's."""


@dataclass(frozen=True)
class Lesson:
    """All that a training takes."""

    student: Student
    teacher: nn.Module
    rows: TrainRows
    loss: Loss
    judge: Judge | None
    callbacks: Sequence[TrainerCallback]
    since: int
    """The first step whose model may be the result: one with all its zeros."""


def train(
    lesson: Lesson,
    arguments: TrainingArguments,
    options: RecoverOptions,
    checkpoints: Checkpoints | None,
    ctx: Context,
) -> Outcome:
    """Train the student in place, and leave in it the best weights that were found.

    Where the loss stops being a number, or memory runs out, the best model so far is the result,
    with a warning. Raises `UserError` or `HardwareUnavailable` where there is none, or none whose
    score is a number, and `Cancelled`; with ``checkpoints``, a later call goes on from the last
    one.
    """
    done = checkpoints.finished() if checkpoints is not None else None
    if checkpoints is not None and done is not None:
        checkpoints.load_result(lesson.student)
        ctx.log(f"the training in {checkpoints.folder} is over: its result is taken")
        return Outcome(**done)
    original = None if lesson.judge is None else lesson.judge.score(lesson.teacher)
    goal = None if original is None or options.max_drop is None else original - options.max_drop
    stop = Stop(goal=goal, patience=options.patience, since=lesson.since)
    tell = Tell(ctx, begin=BEGIN, end=END, original=original)
    trainer = _Trainer(lesson, arguments, (*lesson.callbacks, stop, tell), tell)
    last = checkpoints.last() if checkpoints is not None else None
    if last is not None:
        ctx.log(f"going on from {last}")
    failure: BaseException | None = None
    try:
        trainer.train(resume_from_checkpoint=None if last is None else str(last))
    except Diverged as error:
        failure = error
        reason = f"the loss is not a number any more after step {trainer.state.global_step}"
    except (MemoryError, RuntimeError) as error:
        if not _is_about_memory(error):
            raise
        failure = error
        reason = f"memory ran out after step {trainer.state.global_step}"
    result = trainer.chosen()
    if failure is None and result is None and lesson.judge is not None:
        failure, reason = Diverged(), "no score of the model is a number"
    outcome = Outcome(
        steps=trainer.state.global_step,
        step=trainer.state.global_step if result is None else result.step,
        reason=stop.reason if failure is None else reason,
        score=None if result is None else result.score,
        original=original,
    )
    found = load_checkpoint(lesson.student, Path(arguments.output_dir), outcome.step)
    if failure is not None:
        if not found or result is None:
            raise _nothing_found(failure, reason) from failure
        ctx.log(f"{reason}: the model of step {outcome.step} is kept, the best one", "warning")
    if checkpoints is not None:
        checkpoints.finish(lesson.student, asdict(outcome))
    return outcome


class _Trainer(Trainer):
    """Trainer with a teacher, the user's metric, and no pickles among the weights."""

    loss_is_scaled_for_ga = False

    def __init__(
        self,
        lesson: Lesson,
        arguments: TrainingArguments,
        callbacks: Sequence[TrainerCallback],
        tell: Tell,
    ) -> None:
        super().__init__(
            model=lesson.student,
            args=arguments,
            data_collator=lesson.rows.batch,
            train_dataset=lesson.rows,
            eval_dataset=lesson.rows if lesson.judge is not None else None,
            callbacks=list(callbacks),
        )
        self.remove_callback(PrinterCallback)
        self._lesson = lesson
        self._tell = tell
        lesson.teacher.to(arguments.device)

    def compute_loss(
        self,
        model: nn.Module,
        inputs: dict[str, Tensor],
        return_outputs: bool = False,
        num_items_in_batch: Any = None,
    ) -> Any:
        lesson = self._lesson
        labels = inputs.pop(LABELS, None)
        hidden = lesson.loss.hidden > 0
        given = model(hidden=hidden, **inputs)
        with torch.no_grad(), self.accelerator.autocast():
            wanted = answer(lesson.teacher, inputs, hidden=hidden)
        loss = lesson.loss(given, wanted, inputs.get(MASK), labels)
        self._tell.loss = loss.detach()
        return (loss, given) if return_outputs else loss

    def evaluate(self, *args: Any, **kwargs: Any) -> dict[str, float]:
        judge, step = self._lesson.judge, self.state.global_step
        assert judge is not None  # noqa: S101 - evaluation is off without one
        score = judge.score(self._lesson.student.flat)
        self._tell.score = score
        self.state.log_history.append({"step": step, SCORE: score})
        result = self.chosen()
        # Trainer keeps the checkpoint with the highest number: that is the one chosen last.
        best = float("-inf") if result is None else float(result.step)
        metrics = {SCORE: score, "eval_best": best}
        self.control = self.callback_handler.on_evaluate(
            self.args, self.state, self.control, metrics
        )
        return metrics

    def chosen(self) -> Scored | None:
        """The model that is the result so far; ``None`` where none was judged with its zeros."""
        judge = self._lesson.judge
        if judge is None:
            return None
        return selection.chosen(scored(self.state.log_history, self._lesson.since), judge.rows)

    def save_model(self, output_dir: str | None = None, _internal_call: bool = False) -> None:
        if self.is_deepspeed_enabled:
            super().save_model(output_dir, _internal_call)
            return
        folder = Path(output_dir or str(self.args.output_dir))
        folder.mkdir(parents=True, exist_ok=True)
        safetensors.torch.save_model(self._lesson.student, str(folder / WEIGHTS))


def _is_about_memory(error: BaseException) -> bool:
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return any(words in str(error).lower() for words in NO_MEMORY)


def _nothing_found(failure: BaseException, reason: str) -> UserError | HardwareUnavailable:
    if isinstance(failure, Diverged):
        return UserError(
            f"{reason}, and there is no model to keep yet",
            hint="Lower learning_rate, or take precision=float32.",
        )
    return HardwareUnavailable(
        f"{reason}, and there is no model to keep yet",
        hint='Lower batch_size, with trainer={"gradient_accumulation_steps": 2} to make up for it.',
    )
