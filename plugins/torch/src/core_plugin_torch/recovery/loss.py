"""What is minimized: the distance to the original model's answers, and to the user's labels."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from core_plugin_torch.recovery import distillation
from core_plugin_torch.recovery.student import Answer


class Diverged(Exception):
    """The loss, or what the model answers, is not a number any more."""


@dataclass(frozen=True)
class Loss:
    """``(1 - labels) · answers + labels · cross entropy + hidden · hidden states``.

    Answers are classes where the model gives logits, compared softened by ``temperature``; or
    else hidden states, compared by their relative squared error.
    """

    classifies: bool
    temperature: float
    labels: float
    """Weight of the user's labels, 0 to 1."""
    hidden: float
    """Weight of hidden states; 0 computes none."""

    def __call__(
        self, student: Answer, teacher: Answer, mask: Tensor | None, labels: Tensor | None
    ) -> Tensor:
        """A scalar. ``mask`` is ``[rows, tokens]``, ``labels`` ``[rows]``. Raises `Diverged`."""
        total = self._answers(student.outputs, teacher.outputs, mask)
        if self.classifies and labels is not None and self.labels > 0:
            hard = distillation.hard_labels(student.outputs[0], labels)
            total = (1 - self.labels) * total + self.labels * hard
        if self.hidden > 0:
            states = distillation.all_states(student.hidden, teacher.hidden, mask)
            total = total + self.hidden * states
        if not bool(torch.isfinite(total)):
            raise Diverged
        return total

    def _answers(
        self, student: tuple[Tensor, ...], teacher: tuple[Tensor, ...], mask: Tensor | None
    ) -> Tensor:
        if self.classifies:
            return distillation.soft_targets(student[0], teacher[0], self.temperature)
        return distillation.states(student[0], teacher[0], mask)
