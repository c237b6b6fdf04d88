"""What happens between the steps of a training. Each does one thing; they are used together.

A callback keeps nothing that a checkpoint would not hold: what it does follows from the number
of the step and from buffers of the model. So a training that is resumed goes on as it would have.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from core_plugin_torch.recovery import fake_layers
from core_plugin_torch.recovery.masks import GrowingMasks, Masks
from core_plugin_torch.recovery.schedule import CubicSchedule
from core_plugin_torch.recovery.selection import best, scored
from hwcore.contract import Cancelled, Context


class HoldMasks(TrainerCallback):
    """Zeros that were there before the training stay."""

    def __init__(self, masks: Masks) -> None:
        self._masks = masks

    def on_pre_optimizer_step(self, *args: Any, **kwargs: Any) -> None:
        self._masks.hold_gradients()

    def on_optimizer_step(self, *args: Any, **kwargs: Any) -> None:
        self._masks.hold()


class GrowMasks(HoldMasks):
    """Zeros by a schedule, and after its end masks that stay.

    With ``initial``, parameters and values, what is left then returns to these values, and the
    optimizer forgets: the lottery ticket (Frankle and Carbin, arXiv 1803.03635, section 1).
    """

    def __init__(
        self,
        masks: GrowingMasks,
        schedule: CubicSchedule,
        *,
        every: int,
        initial: Sequence[tuple[Tensor, Tensor]] = (),
    ) -> None:
        super().__init__(masks)
        self._growing = masks
        self._schedule = schedule
        self._every = every
        self._initial = initial

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        if state.global_step > self._schedule.end:
            self._growing.settle()

    def on_step_begin(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        optimizer: Any = None,
        **kwargs: Any,
    ) -> None:
        step, schedule = state.global_step, self._schedule
        due = schedule.begin <= step < schedule.end and (step - schedule.begin) % self._every == 0
        if due or step == schedule.end:
            self._growing.choose(schedule.share(step))
        if step == schedule.end:
            self._growing.settle()
            if self._initial:
                self._growing.rewind(self._initial)
                optimizer.state.clear()


class ObserveRanges(TrainerCallback):
    """Ranges of activations follow the first steps, and stay where they are from ``until`` on."""

    def __init__(self, model: nn.Module, until: int) -> None:
        self._model = model
        self._until = until

    def on_step_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        fake_layers.observe(self._model, observing=state.global_step < self._until)

    def on_step_end(self, *args: Any, **kwargs: Any) -> None:
        fake_layers.observe(self._model, observing=False)


class Stop(TrainerCallback):
    """Ends a training that is good enough, or does not get better.

    ``goal`` is a score that is good enough. ``patience`` is how many evaluations may pass without
    a better one. Those before step ``since``, where the model is not yet what it will be, count
    for neither. ``reason`` says which it was.
    """

    def __init__(self, *, goal: float | None, patience: int | None, since: int) -> None:
        self._goal = goal
        self._patience = patience
        self._since = since
        self.reason: str | None = None

    def on_evaluate(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        **kwargs: Any,
    ) -> None:
        evaluations = scored(state.log_history, self._since)
        peak = best(evaluations)
        if peak is None:
            return
        last, patience = evaluations[-1], self._patience
        if self._goal is not None and last.score >= self._goal:
            self.reason = f"the score {last.score:.4f} is good enough"
        elif patience is not None and state.global_step - peak.step >= patience * args.eval_steps:
            self.reason = f"no better score in {patience} evaluations"
        control.should_training_stop |= self.reason is not None


class Tell(TrainerCallback):
    """Says how far it is, and how good the model is now; and ends at once when it is cancelled."""

    def __init__(self, ctx: Context, *, begin: float, end: float, original: float | None) -> None:
        """``begin`` and ``end`` are fractions of the step; ``original`` is the teacher's score."""
        self._ctx = ctx
        self._begin = begin
        self._end = end
        self._original = original
        self.loss: Tensor | None = None
        self.score: float | None = None

    def on_step_begin(self, *args: Any, **kwargs: Any) -> None:
        if self._ctx.cancelled():
            raise Cancelled("the training was stopped")

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        words = [f"step {state.global_step} of {state.max_steps}"]
        if self.loss is not None:
            words.append(f"loss {float(self.loss):.4f}")
        if self.score is not None and self._original is not None:
            words.append(f"score {self.score:.4f}, original {self._original:.4f}")
        done = state.global_step / state.max_steps
        self._ctx.progress(self._begin + (self._end - self._begin) * done, ", ".join(words))
