"""What is remembered of a layer's inputs, row by row, so that no row has to be."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from core_plugin_torch.sparsity import importance


class Norms:
    """The L2 norm of each input over all tokens: ``[inputs]`` numbers, as Wanda takes them."""

    def __init__(self, inputs: int) -> None:
        self.tokens = 0
        self._squares = torch.zeros(inputs)

    def add(self, rows: Tensor) -> None:
        """Tokens ``[tokens, inputs]``."""
        self.tokens += len(rows)
        self._squares += rows.float().square().sum(dim=0)

    @property
    def norms(self) -> Tensor:
        """``‖x_j‖₂``."""
        return self._squares.sqrt()

    @property
    def gram(self) -> Tensor:
        """The diagonal of ``X Xᵀ``."""
        return self._squares


class Gram:
    """``X Xᵀ`` over all tokens: ``[inputs, inputs]``, as SparseGPT takes it."""

    def __init__(self, inputs: int) -> None:
        self.tokens = 0
        self.gram = torch.zeros(inputs, inputs)

    def add(self, rows: Tensor) -> None:
        """Tokens ``[tokens, inputs]``."""
        self.tokens += len(rows)
        rows = rows.float()
        self.gram.addmm_(rows.T, rows)

    @property
    def norms(self) -> Tensor:
        """``‖x_j‖₂``."""
        return self.gram.diagonal().clamp_min(0).sqrt()


Statistics = Norms | Gram


def rows_of(layer: nn.Module, inputs: Tensor) -> Tensor:
    """A layer's inputs as ``[tokens, columns of its weight matrix]``.

    A convolution's tokens are the patches that its filters are laid on.
    """
    if isinstance(layer, nn.Conv2d):
        patches = nn.functional.unfold(
            inputs,
            kernel_size=layer.kernel_size,
            dilation=layer.dilation,
            padding=layer.padding,
            stride=layer.stride,
        )
        return patches.transpose(1, 2).reshape(-1, patches.shape[1])
    return inputs.reshape(-1, inputs.shape[-1])


class Activations(Norms):
    """Norms, and how often each input is not above zero."""

    def __init__(self, inputs: int) -> None:
        super().__init__(inputs)
        self._closed = torch.zeros(inputs, dtype=torch.float64)

    def add(self, rows: Tensor) -> None:
        """Tokens ``[tokens, inputs]``."""
        super().add(rows)
        self._closed += importance.apoz(rows).double() * len(rows)

    @property
    def apoz(self) -> Tensor:
        """The average share of zeros of each input (`core_plugin_torch.sparsity.importance`)."""
        return self._closed / self.tokens
