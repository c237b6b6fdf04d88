"""Accuracy-aware tuning: try, score on the user's rows, leave layers in float32 until it will do.

Neural Compressor's own ``autotune`` goes through a list that is fixed beforehand, knows no limit
of time and cannot be stopped; its trials are made here, one after the outcome of the other.
"""

from __future__ import annotations

import time
from itertools import islice
from pathlib import Path

import torch
from torch.fx import GraphModule

from core_plugin_intel import program, search, sensitivity
from core_plugin_intel.int8 import STATIC, Float32
from core_plugin_intel.options import StaticOptions, TunedOptions
from core_plugin_intel.rows import Rows, go_on, phase
from core_plugin_intel.search import Choice, Outcome
from hwcore.contract import Array, Arrays, Artifact, Context, Dataset, Draft, PluginError

SENSITIVITY_ROWS = 16
SMOOTHING = (0.5, 0.8)
"""Shares of outliers that are moved into the weights, where quantizing as it is will not do."""
BEGIN, END = 0.15, 0.9


def tuned(
    source: Artifact, options: TunedOptions, data: Dataset | None, out: Path, ctx: Context
) -> Draft:
    """The int8 model with the fewest layers in float32 that scores as it has to.

    Where none does within the bounds on trials and time, the one that scored best, with a
    warning. Raises `UserError` without labelled ``tune`` rows or without calibration rows,
    `PluginError` where the options leave no layer to quantize, `Cancelled` between two rows.
    """
    float32, made = best(source, options, data, ctx)
    phase(ctx, END, "writing")
    return program.write(float32.again(made), source, STATIC, float32.parameters, out)


def best(
    source: Artifact,
    options: TunedOptions,
    data: Dataset | None,
    ctx: Context,
    *,
    attention: str = "sdpa",
) -> tuple[Float32, GraphModule]:
    """The model as it was, and the quantized graph that `tuned` writes. Raises as that does."""
    rows = Rows(source, data, options.calibration_sampling_size, ctx)
    tuning = _Tuning(source, options, rows, ctx, attention)
    return tuning.float32, tuning.best()


class _Tuning:
    """The trials of one model."""

    def __init__(
        self, source: Artifact, options: TunedOptions, rows: Rows, ctx: Context, attention: str
    ) -> None:
        self._options, self._rows, self._ctx = options, rows, ctx
        self._signature = source.component().signature
        self._variants = variants(options)
        self._whole: dict[int, GraphModule] = {}
        self._order: dict[int, list[str]] = {}
        self._trials = 0
        self._started = time.monotonic()
        self.float32 = Float32(source, options, ctx, attention=attention)
        self._quantizable = len(self.float32.quantizable(options))
        if not self._quantizable:
            raise program.none_left()
        phase(ctx, 0.1, "scoring the model in float32")
        self._baseline = self._score(self.float32.graph())

    def best(self) -> GraphModule:
        """Try until it will do, or there are no trials or no time left."""
        # One stays: without any in int8 there is nothing to make.
        plan = search.choices(len(self._variants), self._quantizable - 1)
        choice = next(plan)
        graph, outcome = self._try(choice)
        kept, rank = graph, _rank(choice, outcome)
        while not self._is_over():
            try:
                choice = plan.send(outcome)
            except StopIteration:
                break
            try:
                graph, outcome = self._try(choice)
            except PluginError as error:
                failed = f"trial {self._trials} cannot be made, and is the last"
                self._ctx.log(f"{failed}: {error}", "warning")
                break
            if _rank(choice, outcome) > rank:
                kept, rank = graph, _rank(choice, outcome)
        within, _, score = rank
        if not within:
            self._ctx.log(
                f"none of {self._trials} trials scored {self._least():.4f} or more: the best of "
                f"them, {score:.4f}, is kept",
                "warning",
            )
        return kept

    def _try(self, choice: Choice) -> tuple[GraphModule, Outcome]:
        span = (END - BEGIN) / self._options.max_trials
        begin = BEGIN + span * self._trials
        self._trials += 1
        variant = self._variants[choice.variant]
        left = self._most_sensitive(choice, begin, begin + span / 4)
        graph = self.float32.static(
            variant, self._rows, begin=begin + span / 4, end=begin + span / 2, left=left
        )
        phase(self._ctx, begin + span / 2, f"scoring trial {self._trials}")
        score = self._score(graph)
        if not choice.floats:
            self._whole[choice.variant] = graph
        smoothed = f", smoothed by {variant.smooth_alpha}" if variant.smooth_alpha else ""
        named = f", among them {', '.join(sorted(left)[:3])}" if left else ""
        self._ctx.log(
            f"trial {self._trials}: {variant.act_algo}{smoothed}, {choice.floats} layers in "
            f"float32{named}: {score:.4f}, and {self._baseline:.4f} in float32"
        )
        return graph, Outcome(score, score >= self._least())

    def _most_sensitive(self, choice: Choice, begin: float, end: float) -> frozenset[str]:
        """The layers to leave, most sensitive first; measured once for each variant."""
        if choice.floats and choice.variant not in self._order:
            variant, middle = self._variants[choice.variant], (begin + end) / 2
            floating = self.float32.smoothed(variant, self._rows, begin=begin, end=middle)
            rows = self._rows.between(middle, end, "looking for sensitive layers")
            errors = sensitivity.errors(
                floating, self._whole.pop(choice.variant), islice(rows, SENSITIVITY_ROWS)
            )
            self._order[choice.variant] = sorted(errors, key=lambda name: -errors[name])
        return frozenset(self._order.get(choice.variant, ())[: choice.floats])

    def _score(self, graph: GraphModule) -> float:
        signature = self._signature

        def predict(inputs: Arrays) -> dict[str, Array]:
            go_on(self._ctx)
            tensors = [torch.from_numpy(inputs[spec.name]) for spec in signature.inputs]
            with torch.no_grad():
                outputs = graph(*tensors)
            return {
                spec.name: value.numpy()
                for spec, value in zip(signature.outputs, outputs, strict=True)
            }

        return self._ctx.score(predict)

    def _least(self) -> float:
        allowed = self._options.tolerable_loss
        if self._options.criterion == "relative":
            allowed *= abs(self._baseline)
        return self._baseline - allowed

    def _is_over(self) -> bool:
        spent = time.monotonic() - self._started
        too_long = self._options.timeout is not None and spent >= self._options.timeout
        return too_long or self._trials >= self._options.max_trials


def variants(options: TunedOptions) -> list[StaticOptions]:
    """Ways to quantize every layer, the one that costs least at run time first."""
    given = options.model_dump(include=set(StaticOptions.model_fields))
    alphas: list[float | None] = [options.smooth_alpha]
    if options.smooth_alpha is None and options.try_smoothing:
        alphas += SMOOTHING
    return [StaticOptions(**(given | {"smooth_alpha": alpha})) for alpha in alphas]


def _rank(choice: Choice, outcome: Outcome) -> tuple[bool, int, float]:
    """What is kept is the largest: within, then with few layers in float32; else by score."""
    return outcome.within, -choice.floats if outcome.within else 0, outcome.score
