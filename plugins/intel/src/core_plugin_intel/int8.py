"""Int8 products: static, with ranges measured on calibration rows, and dynamic."""

from __future__ import annotations

from pathlib import Path

import torch
from torch.export import ExportedProgram
from torch.fx import GraphModule

from core_plugin_intel import layers, modules, program, pt2e, smoothing
from core_plugin_intel.options import DynamicOptions, StaticOptions
from core_plugin_intel.rows import Rows, phase
from hwcore.contract import Artifact, Context, Dataset, Draft
from hwcore.transformers import load_module

STATIC = "int8-static"
DYNAMIC = "int8-dynamic"


def static(
    source: Artifact, options: StaticOptions, data: Dataset | None, out: Path, ctx: Context
) -> Draft:
    """Weights and activations in 8 bits, with ranges that are measured now.

    Raises `UserError` without calibration rows, or for layers that the model does not have;
    `Cancelled` between two rows.
    """
    rows = Rows(source, data, options.calibration_sampling_size, ctx)
    float32 = Float32(source, options, ctx)
    made = float32.static(options, rows, begin=0.2, end=0.8)
    phase(ctx, 0.8, "writing")
    return program.write(float32.again(made), source, STATIC, float32.parameters, out)


def dynamic(source: Artifact, options: DynamicOptions, out: Path, ctx: Context) -> Draft:
    """Weights in 8 bits; activations become so at each call, with the range that they have.

    Raises `UserError` for layers that the model does not have, `Cancelled` between phases.
    """
    float32 = Float32(source, options, ctx)
    phase(ctx, 0.3, "quantizing")
    row = program.example_tensors(source.component().signature, ctx.seed)
    made = pt2e.quantize(float32.graph(), options, [row], floats=float32.floats(options))
    phase(ctx, 0.8, "writing")
    return program.write(float32.again(made), source, DYNAMIC, float32.parameters, out)


class Float32:
    """A model that was loaded and captured once, to be quantized as often as one likes."""

    def __init__(
        self,
        source: Artifact,
        options: StaticOptions | DynamicOptions,
        ctx: Context,
        *,
        attention: str = "sdpa",
    ) -> None:
        phase(ctx, 0.0, "loading the model")
        self._signature = source.component().signature
        self._seed = ctx.seed
        self.module = load_module(source, attention=attention)
        self._linears = list(layers.linears(self.module))
        self._convolutions = layers.convolutions(self.module)
        self._untouched = layers.untouched(self.module)
        self.parameters = layers.parameters(self.module)
        if options.embeddings == "int8":
            modules.narrow_embeddings(self.module)
        phase(ctx, 0.1, "capturing the graph")
        self._program = program.capture(self.module, self._signature, seed=self._seed)

    def graph(self) -> GraphModule:
        """A copy of the graph, to be changed."""
        return program.graph_of(self._program)

    def floats(self, options: StaticOptions | DynamicOptions) -> frozenset[str]:
        """Names of the layers that the options leave in float32.

        Raises `UserError` for one that the model does not have.
        """
        names = [*self._linears, *self._convolutions]
        return layers.matching(options.float_layers, names, self._untouched)

    def halves(self, options: StaticOptions) -> frozenset[str]:
        """Names of the layers that the options want in bfloat16. Raises as `floats` does."""
        return layers.matching(options.bf16_layers, self._linears) - self.floats(options)

    def quantizable(self, options: StaticOptions) -> frozenset[str]:
        """Names of the layers that are run, and that the options do not leave."""
        run = pt2e.layers(self._program.graph_module).keys()
        return frozenset(run - self.floats(options) - self.halves(options))

    def smoothed(
        self, options: StaticOptions, rows: Rows, *, begin: float, end: float
    ) -> GraphModule:
        """A copy in float32, its outliers moved as the options say."""
        graph = self.graph()
        if options.smooth_alpha is not None:
            measuring = rows.between(begin, end, "measuring outliers")
            smoothing.apply(graph, smoothing.groups(graph), measuring, options.smooth_alpha)
        return graph

    def static(
        self,
        options: StaticOptions,
        rows: Rows,
        *,
        begin: float,
        end: float,
        left: frozenset[str] = frozenset(),
    ) -> GraphModule:
        """A quantized copy, but for the layers of the options and those ``left``.

        Progress goes from ``begin`` to ``end``.
        """
        middle = begin if options.smooth_alpha is None else (begin + end) / 2
        graph = self.smoothed(options, rows, begin=begin, end=middle)
        floats = self.floats(options) | left
        halves = self.halves(options) - left
        calibrating = rows.between(middle, end, "calibrating")
        return pt2e.quantize(graph, options, calibrating, floats=floats, halves=halves)

    def again(self, graph: GraphModule) -> ExportedProgram:
        """The program of a graph that was changed."""
        with torch.no_grad():
            return program.capture(graph, self._signature, seed=self._seed)
