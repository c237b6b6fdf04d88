"""Fair timing: what a round holds, and how ratios are taken.

The models here are fakes of the clock: they do no work and report times from a script, so that
a test can say what a slow machine looks like.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from hwcore.contract import Arrays
from hwcore.measure import Measured, Ratio, Workload, interleaved, measure

MS = 1_000_000


class ScriptedClock:
    """A `Timed` that takes ``script(number)`` ms for its call of that number, counted from 0.

    Every request is noted in ``log``, which models share, as (name, inputs).
    """

    def __init__(
        self, name: str, log: list[tuple[str, list[int]]], script: Callable[[int], float]
    ) -> None:
        self.name = name
        self.log = log
        self.script = script
        self.number = 0

    def time_calls(self, inputs: Sequence[Arrays], calls: int) -> list[int]:
        self.log.append((self.name, [int(inputs[i % len(inputs)]["x"][0]) for i in range(calls)]))
        times = [int(self.script(self.number + i) * MS) for i in range(calls)]
        self.number += calls
        return times


class Bench:
    """Scripted models and what was asked of them."""

    def __init__(self, **scripts: Callable[[int], float] | float) -> None:
        self.log: list[tuple[str, list[int]]] = []
        self.models = {
            name: ScriptedClock(name, self.log, _script(script)) for name, script in scripts.items()
        }

    def measure(self, *work: Workload, rounds: int = 15) -> dict[str, Measured]:
        return measure(self.models, next(iter(self.models)), work or (workload(),), rounds=rounds)

    def rounds(self, workload_inputs: int) -> list[dict[str, list[int]]]:
        """The inputs of each model in each round, in the order they were asked for."""
        # Every model: two requests to warm up, then two per round, the first of which warms up.
        names = len(self.models)
        asked = self.log[2 * names :]
        timed = asked[1::2]
        assert all(len(inputs) == 2 for _, inputs in asked[0::2])
        return [dict(timed[i : i + names]) for i in range(0, len(timed), names)]


def _script(script: Callable[[int], float] | float) -> Callable[[int], float]:
    return script if callable(script) else lambda number: script


def workload(inputs: int = 1, batch: int = 1) -> Workload:
    made = tuple({"x": np.array([place])} for place in range(inputs))
    return Workload(f"batch {batch}", batch, 0, made)


@pytest.fixture(autouse=True)
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Pauses between models, which fakes do not need."""
    taken: list[float] = []
    monkeypatch.setattr(interleaved.time, "sleep", taken.append)
    return taken


class TestRounds:
    def test_all_models_see_the_same_inputs_in_a_round(self) -> None:
        bench = Bench(slow=40.0, fast=1.0, middle=10.0)
        bench.measure(workload(inputs=16))
        rounds = bench.rounds(16)
        assert len(rounds) == 15
        for seen in rounds:
            distinct = {name: sorted(set(inputs)) for name, inputs in seen.items()}
            assert distinct["slow"] == distinct["fast"] == distinct["middle"]
            assert len(distinct["slow"]) == 5  # what the slowest gets through in its share

    @pytest.mark.parametrize("slow", [3.0, 40.0, 66.0, 99.0, 300.0])
    @pytest.mark.parametrize("inputs", [1, 2, 3, 16, 64])
    def test_every_input_of_a_round_counts_alike(self, slow: float, inputs: int) -> None:
        bench = Bench(slow=slow, fast=1.0)
        bench.measure(workload(inputs=inputs), rounds=3)
        for seen in bench.rounds(inputs):
            for asked in seen.values():
                assert len(asked) >= 3
                counts = np.unique(asked, return_counts=True)[1]
                assert counts.min() == counts.max()

    def test_all_inputs_have_their_turn(self) -> None:
        bench = Bench(slow=50.0, fast=1.0)
        bench.measure(workload(inputs=10), rounds=5)
        seen = [place for round in bench.rounds(10) for place in sorted(set(round["fast"]))]
        assert sorted(set(seen)) == list(range(10))

    def test_the_order_alternates(self, pauses: list[float]) -> None:
        bench = Bench(a=10.0, b=10.0, c=10.0)
        bench.measure(rounds=4)
        orders = ["".join(seen) for seen in bench.rounds(1)]
        assert orders == ["abc", "cba", "abc", "cba"]
        assert pauses == [interleaved.SETTLE_S] * 12

    def test_models_are_warmed_up_on_every_input_first(self) -> None:
        bench = Bench(a=10.0, b=10.0)
        bench.measure(workload(inputs=7), rounds=1)
        assert bench.log[:4:2] == [("a", [*range(7)]), ("b", [*range(7)])]

    def test_slow_first_calls_do_not_make_a_rounds_calls_few(self) -> None:
        bench = Bench(base=10.0, fast=lambda number: 1000.0 if number < 3 else 1.0)
        bench.measure(rounds=2)
        assert [len(seen["fast"]) for seen in bench.rounds(1)] == [200, 200]

    def test_calls_are_bounded_by_time_and_number(self) -> None:
        bench = Bench(slow=1000.0, fast=0.001)
        bench.measure(rounds=1)
        (seen,) = bench.rounds(1)
        assert len(seen["slow"]) == 3
        assert len(seen["fast"]) == 256


class TestRatios:
    def test_of_the_baseline_to_itself(self) -> None:
        found = Bench(base=10.0, fast=5.0).measure()
        assert found["base"].speedups == (Ratio(value=1.0, low=1.0, high=1.0),)
        assert found["fast"].speedups[0].value == pytest.approx(2.0)

    def test_a_slow_minute_of_the_machine_changes_none(self) -> None:
        # From the 200th call on everything takes three times as long.
        def slowing(ms: float) -> Callable[[int], float]:
            return lambda number: ms if number < 200 else 3 * ms

        found = Bench(base=slowing(10.0), fast=slowing(10.0 / 4)).measure()
        assert found["fast"].speedups[0].value == pytest.approx(4.0)

    def test_one_slow_call_in_a_round_changes_none(self) -> None:
        hiccups = Bench(base=10.0, fast=lambda number: 500.0 if number % 37 == 0 else 5.0)
        ratio = hiccups.measure()["fast"].speedups[0]
        assert ratio == Ratio(value=2.0, low=2.0, high=2.0)

    def test_the_spread_is_over_rounds(self) -> None:
        # After 8 calls to warm up, 2 + 20 calls a round: each round 1 ms slower than the last.
        found = Bench(base=10.0, other=lambda number: 10.0 + max(number - 8, 0) // 22).measure(
            rounds=11
        )
        ratios = [10 / (10 + number) for number in range(11)]
        low, value, high = np.percentile(ratios, [5, 50, 95])
        assert found["other"].speedups[0].value == pytest.approx(value, rel=1e-6)
        assert found["other"].speedups[0].low == pytest.approx(low, rel=1e-6)
        assert found["other"].speedups[0].high == pytest.approx(high, rel=1e-6)

    def test_a_shaken_one_shows_its_range_and_no_false_precision(self) -> None:
        assert str(Ratio(value=6.444, low=5.8, high=7.6)) == "6.44×"
        shaken = Ratio(value=245.41, low=17.9, high=579.1)
        assert not shaken.steady
        assert str(shaken) == "245× (18 to 579)"


class TestTimings:
    def test_percentiles_and_throughput(self) -> None:
        bench = Bench(base=lambda number: 100.0 if number % 10 == 0 else 10.0)
        (timing,) = bench.measure(workload(batch=8))["base"].timings
        times = [t for seen in bench.rounds(1) for t in seen["base"]]
        assert timing.calls == len(times)
        assert timing.median_ms == 10.0
        assert 10.0 <= timing.p90_ms <= timing.p99_ms == 100.0
        assert timing.throughput == pytest.approx(8 / 0.019, rel=0.05)
        assert (timing.workload, timing.batch) == ("batch 8", 8)

    def test_one_timing_and_ratio_per_workload(self) -> None:
        found = Bench(base=10.0, fast=2.0).measure(workload(batch=1), workload(batch=8))
        assert [timing.batch for timing in found["fast"].timings] == [1, 8]
        assert [ratio.value for ratio in found["fast"].speedups] == [5.0, 5.0]

    def test_progress_goes_from_nothing_to_one(self) -> None:
        seen: list[float] = []
        bench = Bench(base=10.0)
        work = (workload(batch=1), workload(batch=8))
        measure(bench.models, "base", work, rounds=4, progress=seen.append)
        assert seen == [(number + 1) / 8 for number in range(8)]
