"""Weights in 4 or 8 bits, everything else in float32: for models that wait for memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from math import gcd
from pathlib import Path

from torch import Tensor, nn

from core_plugin_intel import (
    awq,
    blockwise,
    gptq,
    layers,
    modules,
    program,
    rounding,
    samples,
    signround,
)
from core_plugin_intel.blockwise import K
from core_plugin_intel.grid import Grid
from core_plugin_intel.options import (
    AutoRoundOptions,
    AwqOptions,
    GptqOptions,
    HqqOptions,
    Int4Options,
    Int8WeightOptions,
    RtnOptions,
)
from core_plugin_intel.rows import Row, Rows, go_on, phase
from hwcore.contract import Artifact, Context, Dataset, Draft
from hwcore.transformers import load_module

INT8 = "int8-weights"
INT4 = "int4-weights"
LEAST_GROUP = 8
"""Of 4-bit weights: a layer that no such group divides is stored in 8 bits."""
BEGIN, END = 0.1, 0.8
"""Progress between which layers are rounded."""


def int8(source: Artifact, options: Int8WeightOptions, out: Path, ctx: Context) -> Draft:
    """Linear layers in 8 bits with a scale for each output.

    Raises `UserError` for layers that the model does not have, `Cancelled` between phases.
    """
    work = _Work(source, options, ctx)
    work.eight_bits()
    return work.write(out, INT8)


def int4(
    source: Artifact, options: Int4Options, data: Dataset | None, out: Path, ctx: Context
) -> Draft:
    """Linear layers in 4 bits, by the algorithm that the options belong to.

    Raises `UserError` for layers that the model does not have, and without calibration rows
    where the algorithm reads them; `Cancelled` between two layers or rows.
    """
    work = _Work(source, options, ctx)
    work.four_bits(options, data)
    return work.write(out, INT4)


class _Work:
    """One model on its way: a layer is replaced as soon as it is rounded."""

    def __init__(
        self, source: Artifact, options: Int4Options | Int8WeightOptions, ctx: Context
    ) -> None:
        phase(ctx, 0.0, "loading the model")
        self._source, self._options, self._ctx = source, options, ctx
        self._module = load_module(source)
        self._parameters = layers.parameters(self._module)
        names = list(layers.linears(self._module))
        beside = [*layers.convolutions(self._module), *layers.untouched(self._module)]
        floats = layers.matching(options.float_layers, names, beside)
        self._names = [name for name in names if name not in floats]
        self._groups: dict[str, int] = {}
        """The group size of each layer that gets 4 bits."""
        self._rounded = 0

    def eight_bits(self) -> None:
        """Replace the layers that get no 4 bits."""
        for name in self._names:
            if name not in self._groups:
                layer = layers.find(self._module, name)
                made = modules.Int8Linear(layer.weight.detach(), _bias(layer))
                layers.replace(self._module, name, made)

    def four_bits(self, options: Int4Options, data: Dataset | None) -> None:
        """Replace every layer: by one of 8 bits where 4 are not possible."""
        for name in self._names:
            inputs = layers.find(self._module, name).in_features
            group = gcd(options.group_size, inputs)
            if group >= LEAST_GROUP and inputs % 2 == 0:  # two codes share a byte
                self._groups[name] = group
        self.eight_bits()
        match options:
            case GptqOptions():
                self._by_gptq(options, data)
            case AwqOptions():
                self._by_awq(options, data)
            case AutoRoundOptions():
                self._by_signround(options, data)
            case RtnOptions():
                symmetric, search = options.use_sym, options.use_mse_search
                self._each(partial(rounding.nearest, symmetric=symmetric, search=search))
            case HqqOptions():
                self._each(rounding.half_quadratic)
            case _:
                raise TypeError(f"no algorithm takes {type(options).__name__}")

    def _each(self, made: Callable[[Tensor, int], Grid]) -> None:
        for name, group in self._groups.items():
            self._say(f"rounding {name}")
            self._put(name, made(layers.find(self._module, name).weight.detach(), group))

    def _by_gptq(self, options: GptqOptions, data: Dataset | None) -> None:
        rows = self._rows(options.calibration_sampling_size, data)
        for name, weight, products in self._calibrated(
            rows, lambda layer: samples.Products(layer.in_features)
        ):
            made = gptq.quantize(
                weight,
                products.gram,
                self._groups[name],
                symmetric=options.use_sym,
                act_order=options.act_order,
            )
            self._put(name, made)

    def _by_awq(self, options: AwqOptions, data: Dataset | None) -> None:
        rows = self._rows(options.calibration_sampling_size, data)
        for name, weight, tokens in self._calibrated(
            rows, lambda layer: samples.Tokens(layer.in_features, len(rows))
        ):
            group = self._groups[name]
            self._put(name, *awq.quantize(weight, tokens.all(), group, symmetric=options.use_sym))

    def _by_signround(self, options: AutoRoundOptions, data: Dataset | None) -> None:
        rows = self._rows(options.calibration_sampling_size, data)
        for name, weight, tokens in self._calibrated(
            rows, lambda layer: samples.Tokens(layer.in_features, len(rows))
        ):
            made = signround.quantize(
                weight,
                tokens.all(),
                self._groups[name],
                symmetric=options.use_sym,
                iterations=options.iters,
                between=lambda: go_on(self._ctx),
            )
            self._put(name, made)

    def _calibrated(
        self, rows: Rows, make: Callable[[nn.Linear], K]
    ) -> Iterator[tuple[str, Tensor, K]]:
        """The layers to round, with their weights and what was kept of their inputs."""

        def again() -> Iterator[Row]:
            place = self._place()
            return rows.between(place, place, "calibrating")

        def beat() -> None:
            self._say("calibrating")

        for found in blockwise.walk(self._module, self._groups, again, make, beat):
            for name in list(found):
                self._say(f"rounding {name}")
                yield name, layers.find(self._module, name).weight.detach(), found.pop(name)

    def _put(self, name: str, grid: Grid, inverse: Tensor | None = None) -> None:
        """Replace a layer by one of 4 bits; ``inverse``, if any, is multiplied with its inputs."""
        bias = _bias(layers.find(self._module, name))
        layers.replace(self._module, name, modules.Int4Linear(grid, bias, inverse))
        self._rounded += 1

    def _place(self) -> float:
        return BEGIN + (END - BEGIN) * self._rounded / len(self._groups)

    def _say(self, message: str) -> None:
        phase(self._ctx, self._place(), message)

    def _rows(self, limit: int, data: Dataset | None) -> Rows:
        return Rows(self._source, data, limit, self._ctx)

    def write(self, out: Path, scheme: str) -> Draft:
        """Save the model."""
        phase(self._ctx, END, "capturing the graph")
        if self._options.embeddings == "int8":
            modules.narrow_embeddings(self._module)
        captured = program.capture(
            self._module, self._source.component().signature, seed=self._ctx.seed
        )
        phase(self._ctx, 0.95, "writing")
        return program.write(captured, self._source, scheme, self._parameters, out)


def _bias(layer: nn.Linear) -> Tensor | None:
    return None if layer.bias is None else layer.bias.detach()
