"""Knowledge distillation: what a student is told to imitate of its teacher.

Pure functions of tensors; each gives a scalar. The mask, where there is one, has a one for every
token that is there and a zero for padding, and nothing is learnt from padding.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional


def soft_targets(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """Kullback-Leibler divergence of softened classes, logits ``[rows, classes]``.

    ``T² · KL(softmax(teacher / T) ‖ softmax(student / T))``, the mean over rows: gradients
    shrink with ``1 / T²``, so the factor keeps their size whatever the temperature (Hinton,
    Vinyals, Dean, "Distilling the Knowledge in a Neural Network", arXiv 1503.02531, section 2;
    it differs from their cross entropy by the teacher's own entropy, a constant).
    """
    divergence = functional.kl_div(
        functional.log_softmax(student.float() / temperature, dim=-1),
        functional.log_softmax(teacher.float() / temperature, dim=-1),
        reduction="batchmean",
        log_target=True,
    )
    return divergence * temperature**2


def hard_labels(student: Tensor, labels: Tensor) -> Tensor:
    """Cross entropy of logits ``[rows, classes]`` with the user's labels, int64 ``[rows]``."""
    return functional.cross_entropy(student.float(), labels)


def states(student: Tensor, teacher: Tensor, mask: Tensor | None = None) -> Tensor:
    """Squared error of hidden states ``[rows, tokens, width]``, relative to the teacher's squares.

    The loss of TinyBERT's hidden states (Jiao et al., arXiv 1909.10351, section 3.1, equation 8)
    without its projection, as both are of one width; and divided by the mean square of the
    teacher's, so that one weight suits all layers and models. ``mask`` is ``[rows, tokens]``.
    """
    error, size = (student.float() - teacher.float()).square(), teacher.float().square()
    if mask is not None:
        there = mask.to(error.dtype).unsqueeze(-1)
        error, size = error * there, size * there
    # A teacher of zeros has no size to be relative to.
    return error.sum() / size.sum().clamp_min(torch.finfo(size.dtype).tiny)


def all_states(
    student: Sequence[Tensor], teacher: Sequence[Tensor], mask: Tensor | None = None
) -> Tensor:
    """The mean of `states` over the student's layers, the embeddings being layer 0."""
    pairs = zip(student, layers_for(len(student), len(teacher)), strict=True)
    losses = [states(state, teacher[layer], mask) for state, layer in pairs]
    return torch.stack(losses).mean()


def layers_for(student: int, teacher: int) -> tuple[int, ...]:
    """Which of the teacher's states each of the student's imitates, by number.

    Uniform, ``g(m) = m · N / M`` of TinyBERT (section 3.2): first to first, last to last. Where
    it is no whole number, the nearest.
    """
    if student == 1:
        return (teacher - 1,)
    return tuple(round(layer * (teacher - 1) / (student - 1)) for layer in range(student))
