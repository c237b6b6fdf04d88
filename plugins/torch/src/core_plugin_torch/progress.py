"""Progress of work that is made of equal units, and a place to stop between them."""

from __future__ import annotations

from dataclasses import dataclass, field

from hwcore.contract import Cancelled, Context


def phase(ctx: Context, fraction: float, message: str, *, work: str) -> None:
    """Say that a phase begins; ``work``, as in ``the pruning``, is named where it is stopped.

    Raises `Cancelled` where that is asked for.
    """
    if ctx.cancelled():
        raise Cancelled(f"{work} was stopped")
    ctx.progress(fraction, message)


@dataclass
class Beat:
    """Called after each unit of a phase; raises `Cancelled` where that is asked for."""

    ctx: Context
    total: int
    """Units, at most."""
    message: str
    begin: float
    """Fraction of the whole step at the beginning of the phase."""
    end: float
    work: str
    done: int = field(default=0, init=False)

    def __call__(self) -> None:
        self.done += 1
        reached = min(self.done / max(self.total, 1), 1.0)
        fraction = self.begin + (self.end - self.begin) * reached
        phase(self.ctx, fraction, self.message, work=self.work)
