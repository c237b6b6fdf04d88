"""What the worker door costs over a call in process."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np

from bench.rows import Row
from hwcore import Model, load
from hwcore.contract import Arrays

ROUNDS = 120
COMMAND = "make bench"


def rows(best: Path) -> list[Row]:
    """The same artifact through both doors, interleaved in one process."""
    with load(best) as inside, load(best, door="worker") as worker:
        small = _inputs(inside, 1, 16)
        large = _inputs(inside, 8, 512)
        extra, _ = _compare(inside, worker, small, calls=60)
        _, ratio = _compare(inside, worker, large, calls=3)
    return [
        Row(
            "worker door vs in process, a call at 16 tokens", "foundation",
            extra / 1000, "µs more", "<= 60", COMMAND,
        ),
        Row(
            "worker door vs in process, a call that returns 8×512×384 floats", "foundation",
            ratio, "×", "<= 1.25", COMMAND,
        ),
    ]  # fmt: skip


def _inputs(model: Model, batch: int, length: int) -> Arrays:
    random = np.random.default_rng(0)
    made = {}
    for spec in model.signature.inputs:
        ones = np.ones((batch, length), np.int64)
        ids = random.integers(1000, 20000, (batch, length))
        made[spec.name] = {"input_ids": ids, "token_type_ids": ones * 0}.get(spec.name, ones)
    return made


def _compare(inside: Model, worker: Model, inputs: Arrays, calls: int) -> tuple[float, float]:
    """Median over rounds of the difference in nanoseconds, and of the ratio."""
    differences, ratios = [], []
    for number in range(ROUNDS + 2):
        order = (inside, worker) if number % 2 else (worker, inside)
        times = {}
        for model in order:
            time.sleep(0.02)
            model(inputs)
            taken = []
            for _ in range(calls):
                began = time.perf_counter_ns()
                model(inputs)
                taken.append(time.perf_counter_ns() - began)
            times[id(model)] = float(np.median(taken))
        if number >= 2:  # the first two rounds warm up
            differences.append(times[id(worker)] - times[id(inside)])
            ratios.append(times[id(worker)] / times[id(inside)])
    return float(np.median(differences)), float(np.median(ratios))
