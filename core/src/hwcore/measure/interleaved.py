"""Timing several models fairly on a machine that is never quiet.

Every model is loaded in a process of its own. A round times each of them once, one after the
other, so that a slow minute of the machine slows all of them; a ratio is taken within a round,
and the median over rounds is what is reported.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, Protocol

import numpy as np

from hwcore.contract import Arrays, Value
from hwcore.measure.workload import Workload

ROUND_S = 0.2
"""What one model's share of a round should take, in seconds."""
MIN_CALLS, MAX_CALLS = 3, 256
PROBES = 5
"""Calls, after the warm-up, that tell how many fit into a round."""
UNSTEADY = 2.0
"""How far apart fast and slow rounds are where a ratio says little: idle machines stay at 1.4."""
SETTLE_S = 0.02
"""Pause between models: idle thread pools of the last one stop spinning meanwhile."""


class Timed(Protocol):
    """What can be measured: a model that times itself, where it lives."""

    def time_calls(self, inputs: Sequence[Arrays], calls: int) -> list[int]:
        """Nanoseconds of each of ``calls`` calls, cycling through ``inputs``."""
        ...


class Timing(Value):
    """Latency of one model on one workload, over all rounds."""

    workload: str
    batch: int
    median_ms: float
    p90_ms: float
    p99_ms: float
    throughput: float
    """Rows per second: batch size over mean latency."""
    calls: int


class Ratio(Value):
    """How many times faster than the baseline: the median over rounds, 5th and 95th percentile."""

    value: float
    low: float
    high: float

    @property
    def steady(self) -> bool:
        """False when rounds differ so much that something else had the machine."""
        return self.high < UNSTEADY * self.low

    def __str__(self) -> str:
        if self.steady:
            return f"{self.value:.2f}×"
        return f"{_short(self.value)}× ({_short(self.low)} to {_short(self.high)})"


class Measured(NamedTuple):
    """What came out for one model: a timing and a ratio per workload."""

    timings: tuple[Timing, ...]
    speedups: tuple[Ratio, ...]


def measure(
    models: Mapping[str, Timed],
    baseline: str,
    work: Sequence[Workload],
    *,
    rounds: int = 15,
    progress: Callable[[float], None] | None = None,
) -> dict[str, Measured]:
    """Time all models on all workloads, interleaved. ``baseline`` is the name of one of them."""
    found: dict[str, list[list[list[int]]]] = {name: [[] for _ in work] for name in models}
    for place, workload in enumerate(work):
        warm = {name: _warm_up(model, workload) for name, model in models.items()}
        share = _share(max(warm.values()), len(workload.inputs))
        for number in range(rounds):
            inputs = _slice(workload.inputs, number * share, share)
            # Every other round backwards: no model always follows the same one.
            order = list(models) if number % 2 == 0 else list(reversed(list(models)))
            for name in order:
                time.sleep(SETTLE_S)
                models[name].time_calls(inputs, 2)
                calls = _calls(warm[name], share)
                found[name][place].append(models[name].time_calls(inputs, calls))
            if progress is not None:
                progress((place + (number + 1) / rounds) / len(work))
    return {
        name: Measured(
            tuple(_timing(w, times) for w, times in zip(work, found[name], strict=True)),
            tuple(
                _ratio(base, times)
                for base, times in zip(found[baseline], found[name], strict=True)
            ),
        )
        for name in models
    }


def _warm_up(model: Timed, workload: Workload) -> float:
    """Call the model on every input once, then say how long a call takes, in seconds.

    The first calls do not tell: an engine may compile something for an input it sees again.
    """
    model.time_calls(workload.inputs, max(MIN_CALLS, len(workload.inputs)))
    return float(np.median(model.time_calls(workload.inputs, PROBES))) / 1e9


def _share(slowest_s: float, inputs: int) -> int:
    """How many inputs a round has: what the slowest model gets through in its share of it."""
    return max(1, min(inputs, int(ROUND_S / slowest_s)))


def _slice(inputs: Sequence[Arrays], start: int, size: int) -> list[Arrays]:
    """The next ``size`` inputs, from the front again after the last."""
    return [inputs[(start + place) % len(inputs)] for place in range(size)]


def _calls(per_call_s: float, share: int) -> int:
    """Calls of one model in a round: whole passes over its inputs, so that all see the same."""
    passes = int(min(MAX_CALLS, ROUND_S / per_call_s) / share)
    return max(passes, math.ceil(MIN_CALLS / share)) * share


def _timing(workload: Workload, rounds: list[list[int]]) -> Timing:
    times = np.concatenate([np.asarray(r, np.float64) for r in rounds]) / 1e6
    median, p90, p99 = np.percentile(times, [50, 90, 99])
    return Timing(
        workload=workload.name,
        batch=workload.batch,
        median_ms=float(median),
        p90_ms=float(p90),
        p99_ms=float(p99),
        throughput=workload.batch * 1e3 / float(times.mean()),
        calls=len(times),
    )


def _ratio(baseline: list[list[int]], times: list[list[int]]) -> Ratio:
    ratios = [float(np.median(b) / np.median(t)) for b, t in zip(baseline, times, strict=True)]
    low, value, high = np.percentile(ratios, [5, 50, 95])
    return Ratio(value=float(value), low=float(low), high=float(high))


def _short(value: float) -> str:
    """Two digits, or the whole part where that is longer."""
    return f"{value:.0f}" if value >= 10 else f"{value:.1f}"
