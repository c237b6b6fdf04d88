"""SmoothQuant: move outliers of activations into the weights that they are multiplied with.

Xiao et al., arXiv 2211.10438. Pure functions of tensors. Neural Compressor's own needs an
extension of torch that is discontinued.
"""

from __future__ import annotations

import torch
from torch import Tensor


def scales(activations: Tensor, weights: Tensor, alpha: float) -> Tensor:
    """What each channel of the activations is divided by, and the weights are multiplied with.

    ``s_j = max|X_j| ** alpha / max|W_j| ** (1 - alpha)`` (equation 4), float32 ``[inputs]``.
    ``activations`` are the largest magnitudes, ``[inputs]``; ``weights`` the weights of all
    layers that read them, ``[outputs, inputs]``. With ``alpha`` 0.5 both get equal maxima
    (section 4); nearer to 1 more of the outliers moves into the weights. A channel in which
    either is zero has nothing to balance, and gets 1.
    """
    largest = weights.abs().amax(0)
    alive = (activations > 0) & (largest > 0)
    found = activations**alpha / torch.where(alive, largest, 1.0) ** (1 - alpha)
    return torch.where(alive, found, torch.ones_like(found))
