"""How much of the weights is to be zero, step by step."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class CubicSchedule:
    """Many zeros at first, while there is redundancy, and fewer and fewer later.

    ``s(t) = s_f + (s_i - s_f) (1 - (t - t_0) / n)³`` for ``t_0 ≤ t ≤ t_0 + n``: Zhu and Gupta,
    "To prune, or not to prune", arXiv 1710.01878, section 3, equation 1.
    """

    initial: float
    """Share of zeros before ``begin``: 0 of a dense model."""
    final: float
    """Share of zeros from ``end`` on."""
    begin: int
    """Optimizer step ``t_0``."""
    end: int
    """Optimizer step ``t_0 + n``; where it is ``begin``, all zeros are made at once."""

    def share(self, step: int) -> float:
        """The share of zeros that the step is taken with."""
        if step >= self.end:
            return self.final
        if step <= self.begin:
            return self.initial
        left = 1 - (step - self.begin) / (self.end - self.begin)
        return self.final + (self.initial - self.final) * left**3
