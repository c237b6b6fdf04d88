"""How much each weight, channel or layer matters. Small scores go first.

Scores of weights add up: those of a block are the sum of its elements'.
"""

from __future__ import annotations

from torch import Tensor


def l1(weight: Tensor) -> Tensor:
    """``|w|`` (Han et al., arXiv 1506.02626, section 3.1)."""
    return weight.abs()


def l2(weight: Tensor) -> Tensor:
    """``w²``: a block's sum orders blocks as their L2 norm does. Of single weights, as `l1`."""
    return weight.square()


def wanda(weight: Tensor, norms: Tensor) -> Tensor:
    """``|w_ij| · ‖x_j‖₂`` (Sun et al., arXiv 2306.11695, equation 1).

    ``weight`` is ``[outputs, inputs]``, ``norms`` ``[inputs]``: of each input over all tokens.
    """
    return weight.abs() * norms


def movement(weight: Tensor, gradient: Tensor) -> Tensor:
    """``−w · ∂L/∂w`` of one step (Sanh et al., arXiv 2005.07683, section 4, equation 4).

    Positive where training moves a weight away from zero. The score of a weight is the sum over
    all steps of training.
    """
    return -weight * gradient


def apoz(activations: Tensor) -> Tensor:
    """The average share of zeros of each channel (Hu et al., arXiv 1607.03250, equation 1).

    ``activations`` is ``[tokens, channels]``, after the activation function. An activation that
    is not above zero is closed: with ReLU that is zero, as in the paper; GELU and SiLU, which
    let a little through below zero, are taken by the same rule. A channel with a high share
    matters little, so that its importance is 1 − APoZ.
    """
    return (activations <= 0).to(activations.dtype).mean(dim=0)


def block_influence(before: Tensor, after: Tensor) -> Tensor:
    """``1 − cos(x, f(x))``, the mean over tokens (Men et al., arXiv 2403.03853, equation 1).

    ``before`` and ``after`` are the hidden states ``[…, width]`` that a layer takes and gives;
    near 0, the layer changes next to nothing.
    """
    dot = (before * after).sum(dim=-1)
    sizes = before.norm(dim=-1) * after.norm(dim=-1)
    return (1 - dot / sizes.clamp_min(1e-12)).mean()


def relative_error(weight: Tensor, pruned: Tensor, gram: Tensor | None = None) -> float:
    """``‖(W − Ŵ) X‖² / ‖W X‖²``: how much of a layer's output is lost.

    ``gram`` is ``X Xᵀ`` ``[inputs, inputs]``, or its diagonal ``[inputs]`` where inputs are taken
    to be uncorrelated; without it they are also taken to be of one size.
    """

    def energy(matrix: Tensor) -> float:
        if gram is None:
            return float(matrix.square().sum())
        if gram.ndim == 1:
            return float((matrix.square() * gram).sum())
        return float(((matrix @ gram) * matrix).sum())

    whole = energy(weight)
    return energy(weight - pruned) / whole if whole > 0 else 0.0
