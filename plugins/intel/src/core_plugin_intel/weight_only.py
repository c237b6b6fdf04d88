"""Weights in 4 or 8 bits, everything else in float32: for models that wait for memory."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from math import gcd
from pathlib import Path

from torch import Tensor, nn

from core_plugin_intel import awq, gptq, layers, modules, program, rounding, samples, signround
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
from core_plugin_intel.rows import Rows, go_on, phase
from hwcore.contract import Artifact, Context, Dataset, Draft
from hwcore.transformers import load_module

INT8 = "int8-weights"
INT4 = "int4-weights"
LEAST_GROUP = 8
"""Of 4-bit weights: a layer whose inputs it does not divide is stored in 8 bits."""

Made = tuple[Grid, Tensor | None]
"""A rounded weight, and what its inputs are multiplied with, if anything."""
Make = Callable[[str, Tensor, int], Made]
"""Of a layer's name, its weight and its group size."""


def int8(source: Artifact, options: Int8WeightOptions, out: Path, ctx: Context) -> Draft:
    """Linear layers in 8 bits with a scale for each output.

    Raises `UserError` for layers that the model does not have, `Cancelled` between phases.
    """
    work = _Work(source, options, ctx)
    return work.write({}, out, INT8)


def int4(
    source: Artifact, options: Int4Options, data: Dataset | None, out: Path, ctx: Context
) -> Draft:
    """Linear layers in 4 bits, by the algorithm that the options belong to.

    Raises `UserError` for layers that the model does not have, and without calibration rows
    where the algorithm reads them; `Cancelled` between two layers.
    """
    work = _Work(source, options, ctx)
    return work.write(work.four_bits(options, data), out, INT4)


class _Work:
    """One model on its way."""

    def __init__(
        self, source: Artifact, options: Int4Options | Int8WeightOptions, ctx: Context
    ) -> None:
        phase(ctx, 0.0, "loading the model")
        self._source, self._options, self._ctx = source, options, ctx
        self._module = load_module(source)
        self._parameters = layers.parameters(self._module)
        found = layers.linears(self._module)
        floats = layers.matching(options.float_layers, list(found))
        self._layers = {name: layer for name, layer in found.items() if name not in floats}

    def four_bits(self, options: Int4Options, data: Dataset | None) -> dict[str, Made]:
        """Rounded weights of the layers that 4 bits are possible for."""
        groups = {
            name: gcd(options.group_size, layer.in_features) for name, layer in self._layers.items()
        }
        groups = {name: group for name, group in groups.items() if group >= LEAST_GROUP}
        match options:
            case GptqOptions():
                return self._by_gptq(groups, options, data)
            case AwqOptions() | AutoRoundOptions():
                return self._from_samples(groups, options, data)
            case RtnOptions():
                nearest = partial(
                    rounding.nearest, symmetric=options.use_sym, search=options.use_mse_search
                )
                return self._each(groups, lambda _, weight, group: (nearest(weight, group), None))
            case HqqOptions():
                quadratic = rounding.half_quadratic
                return self._each(groups, lambda _, weight, group: (quadratic(weight, group), None))
        raise TypeError(f"no algorithm takes {type(options).__name__}")

    def _each(self, groups: dict[str, int], make: Make, begin: float = 0.1) -> dict[str, Made]:
        made: dict[str, Made] = {}
        for done, (name, group) in enumerate(groups.items()):
            phase(self._ctx, begin + (0.8 - begin) * done / len(groups), f"rounding {name}")
            made[name] = make(name, self._layers[name].weight.detach(), group)
        return made

    def _from_samples(
        self,
        groups: dict[str, int],
        options: AwqOptions | AutoRoundOptions,
        data: Dataset | None,
    ) -> dict[str, Made]:
        rows = self._rows(options.calibration_sampling_size, data)
        chosen = {name: self._layers[name] for name in groups}
        calibrating = rows.between(0.1, 0.3, "calibrating")
        inputs = samples.collect(self._module, chosen, calibrating, len(rows))

        def make(name: str, weight: Tensor, group: int) -> Made:
            if isinstance(options, AwqOptions):
                return awq.quantize(weight, inputs[name], group, symmetric=options.use_sym)
            learned = signround.quantize(
                weight,
                inputs[name],
                group,
                symmetric=options.use_sym,
                iterations=options.iters,
                between=lambda: go_on(self._ctx),
            )
            return learned, None

        return self._each(groups, make, 0.3)

    def _by_gptq(
        self, groups: dict[str, int], options: GptqOptions, data: Dataset | None
    ) -> dict[str, Made]:
        """Layers outside of the blocks, such as a classifier's, are rounded to nearest."""
        rows = self._rows(options.calibration_sampling_size, data)
        names = tuple(spec.name for spec in self._source.component().signature.inputs)
        spent = load_module(self._source)
        made = gptq.quantize(
            spent.model,
            groups,
            rows.between(0.1, 0.5, "calibrating"),
            names,
            folder=self._source.root,
            act_order=options.act_order,
        )
        phase(self._ctx, 0.7, "rounding the rest")
        rest = {name: group for name, group in groups.items() if name not in made}
        nearest = partial(rounding.nearest, symmetric=True, search=True)
        others = self._each(rest, lambda _, weight, group: (nearest(weight, group), None), 0.7)
        return others | {name: (grid, None) for name, grid in made.items()}

    def write(self, made: dict[str, Made], out: Path, scheme: str) -> Draft:
        """Put the layers into the model, those that were not made in 8 bits, and save it."""
        phase(self._ctx, 0.8, "capturing the graph")
        for name, layer in self._layers.items():
            bias = None if layer.bias is None else layer.bias.detach()
            if name in made:
                grid, inverse = made[name]
                new: nn.Module = modules.Int4Linear(grid, bias, inverse)
            else:
                new = modules.Int8Linear(layer.weight.detach(), bias)
            layers.replace(self._module, name, new)
        if self._options.embeddings == "int8":
            modules.narrow_embeddings(self._module)
        captured = program.capture(
            self._module, self._source.component().signature, seed=self._ctx.seed
        )
        phase(self._ctx, 0.95, "writing")
        return program.write(captured, self._source, scheme, self._parameters, out)

    def _rows(self, limit: int, data: Dataset | None) -> Rows:
        return Rows(self._source, data, limit, self._ctx)
