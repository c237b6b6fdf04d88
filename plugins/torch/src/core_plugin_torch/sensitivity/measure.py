"""The hook ``sensitivity``: one layer treated at a time, the model's output judged, and so on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from core_plugin_torch.recovery.fake_quantization import fake_quantized_activation
from core_plugin_torch.sensitivity import rows as judged
from core_plugin_torch.sensitivity.judge import Judge
from core_plugin_torch.sensitivity.options import SensitivityOptions
from core_plugin_torch.sensitivity.times import PASSES, WARM_UP, shares
from core_plugin_torch.sensitivity.treatments import treated
from core_plugin_torch.sensitivity.trunk import Trunk
from core_plugin_torch.sparsity.layers import blocks, check_known, matches
from core_plugin_torch.sparsity.patterns import Blocks, check_divides, parse
from core_plugin_torch.threads import threads
from hwcore.contract import (
    Artifact,
    Cancelled,
    Context,
    Dataset,
    LayerSensitivity,
    Sensitivity,
    Signature,
    Treatment,
    UserError,
)
from hwcore.data import example_inputs, near
from hwcore.transformers import load_module

FORMAT = "transformers"
LAYERS = (nn.Linear, nn.Conv1d, nn.Conv2d)
"""What the plugin's rows quantize or prune."""
LOADED = 0.02
"""Progress when the model is loaded."""


def sensitivity(
    source: Artifact, options: SensitivityOptions, data: Dataset, ctx: Context
) -> Sensitivity:
    """Treat one layer at a time, and see what becomes of the model's answers.

    Raises `UserError` for a model that is no transformers model, without rows, and for names and
    patterns that do not fit; `Cancelled` between two batches.
    """
    if source.format != FORMAT:
        raise UserError(
            f"sensitivity is measured of a {FORMAT} model, and this is {source.format}",
            hint="Name the model that it was made from.",
        )
    pattern = _blocks(options.pattern)
    signature = source.component().signature
    batches = judged.read(data, signature, options.rows)
    if ctx.cancelled():
        raise Cancelled("the measurement was stopped")
    ctx.progress(0.0, "loading the model")
    flat: Any = load_module(source)
    layers = _layers(flat.model, options)
    if "zeros" in " ".join(options.treatments):
        for name, layer in layers.items():
            check_divides(pattern, layer.weight, name)
    with threads(ctx.threads), torch.inference_mode():
        bench = _Bench(flat, batches, layers, Trunk(tuple(blocks(flat.model).values())), ctx)
        bench.expect(len(options.treatments))
        seen = bench.look()
        judge = Judge(bench.reference, judged.labels(batches), data.info.metric)
        found: dict[str, dict[Treatment, tuple[float, float]]] = {name: {} for name in seen}
        for done, names in _by_depth(seen).items():
            with bench.resumed(done):
                for name in names:
                    for treatment in options.treatments:
                        with _under(layers[name], treatment, seen[name], pattern, options):
                            answers = bench.answers(name)
                        loss = judge.baseline - judge.score(answers)
                        found[name][treatment] = loss, judge.error(answers)
        timed = {name: layers[name] for name in seen}
        spent = shares(
            flat, _timed_row(signature, options.length, ctx.seed), timed, beat=bench.beat
        )
    ctx.progress(1.0, "measured")
    return Sensitivity(
        metric=judge.metric,
        baseline=judge.baseline,
        rows=judge.rows,
        layers=tuple(
            LayerSensitivity(
                name=name,
                parameters=sum(p.numel() for p in layers[name].parameters()),
                time_share=spent[name],
                loss={treatment: loss for treatment, (loss, _) in result.items()},
                error={treatment: error for treatment, (_, error) in result.items()},
            )
            for name, result in found.items()
        ),
    )


@dataclass
class _Seen:
    """What is known of a layer once the rows went through the untouched model."""

    low: Tensor
    high: Tensor
    """The range of its inputs, over all rows; scalars."""
    done: int
    """Blocks that have been run before it is."""


@dataclass
class _Bench:
    """A model and the rows that it answers, again and again."""

    flat: nn.Module
    batches: Sequence[judged.Batch]
    layers: Mapping[str, nn.Module]
    trunk: Trunk
    ctx: Context
    reference: list[Tensor] = field(default_factory=list)
    _beats: int = 0
    _total: int = 1
    _message: str = ""

    def expect(self, treatments: int) -> None:
        """Reckon how much there is to do, for progress."""
        passes = 1 + 2 * len(self.trunk.blocks) + treatments * len(self.layers)
        self._total = passes * len(self.batches) + WARM_UP + PASSES

    def beat(self) -> None:
        """A batch is done. Raises `Cancelled` where work is to stop."""
        if self.ctx.cancelled():
            raise Cancelled("the measurement was stopped")
        self._beats += 1
        done = min(self._beats / self._total, 1.0)
        self.ctx.progress(LOADED + (1 - LOADED) * done, self._message)

    def answers(self, message: str) -> list[Tensor]:
        """What the model gives for every batch, with zeros where there is no token."""
        self._message = message
        found = []
        for place, batch in enumerate(self.batches):
            self.trunk.place = place
            found.append(batch.masked(self.flat(*batch.inputs)[0]))
            self.beat()
        return found

    def look(self) -> dict[str, _Seen]:
        """Keep the untouched model's answers; what is known of each layer that rows reached."""
        seen: dict[str, _Seen] = {}
        ran: set[int] = set()

        def watch(name: str, blocks_done: Callable[[], int]) -> Callable[..., None]:
            def hook(layer: nn.Module, arguments: tuple[Tensor, ...]) -> None:
                low, high = torch.aminmax(arguments[0].float())
                known = seen.setdefault(name, _Seen(low, high, blocks_done()))
                known.low, known.high = (
                    torch.minimum(known.low, low),
                    torch.maximum(known.high, high),
                )

            return hook

        self._message = "the untouched model"
        for place, batch in enumerate(self.batches):
            self.trunk.place = place
            with ExitStack() as hooks:
                counted = hooks.enter_context(self.trunk.counting())
                for name, layer in self.layers.items():
                    hook = watch(name, counted)
                    hooks.callback(layer.register_forward_pre_hook(hook).remove)
                self.reference.append(batch.masked(self.flat(*batch.inputs)[0]))
                ran.add(counted())
            self.beat()
        if ran != {len(self.trunk.blocks)}:  # a block that is run again and again is no chain
            for known in seen.values():
                known.done = 0
        return seen

    @contextmanager
    def resumed(self, done: int) -> Iterator[None]:
        """Begin after that many blocks meanwhile, if the model answers the same then."""
        if not done:
            yield
            return
        with self.trunk.keeping(done):
            self.answers("keeping hidden states")
        with ExitStack() as changes:
            changes.enter_context(self.trunk.skipping(done))
            again = self.answers("keeping hidden states")
            if not all(map(torch.equal, again, self.reference)):
                changes.close()
            yield


def _layers(model: nn.Module, options: SensitivityOptions) -> dict[str, nn.Module]:
    """Linear layers and convolutions by name, in order, as far as the options want them."""
    known = {name: found for name, found in model.named_modules() if isinstance(found, LAYERS)}
    for pattern in (*options.include, *options.exclude):
        check_known(pattern, known)
    chosen = {
        name: layer
        for name, layer in known.items()
        if matches(name, options.include or ("*",)) and not matches(name, options.exclude)
    }
    if not chosen:
        raise UserError(
            "no layer is left to look at",
            hint="Take patterns out of exclude, or name layers with include.",
        )
    return chosen


def _blocks(name: str) -> Blocks:
    pattern = parse(name)
    if not isinstance(pattern, Blocks):
        raise UserError(
            f"the pattern {name} has one share of zeros, and several are tried",
            hint="Choose `unstructured` or blocks, as in 1x4.",
        )
    return pattern


def _by_depth(seen: Mapping[str, _Seen]) -> dict[int, list[str]]:
    """Names of layers by how many blocks have been run before."""
    found: dict[int, list[str]] = {}
    for name, known in seen.items():
        found.setdefault(known.done, []).append(name)
    return dict(sorted(found.items()))


@contextmanager
def _under(
    layer: Any, treatment: Treatment, seen: _Seen, pattern: Blocks, options: SensitivityOptions
) -> Iterator[None]:
    """One layer treated meanwhile, and then exactly what it was."""
    original = layer.weight.data
    with ExitStack() as changes:
        changes.callback(setattr, layer.weight, "data", original)
        layer.weight.data = treated(
            original, treatment, blocks=pattern, group_size=options.group_size
        )
        if treatment == "int8":

            def rounded(_: nn.Module, arguments: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
                values = fake_quantized_activation(arguments[0], seen.low, seen.high)
                return (values, *arguments[1:])

            changes.callback(layer.register_forward_pre_hook(rounded).remove)
        yield


def _timed_row(signature: Signature, length: int, seed: int) -> list[Tensor]:
    """One made-up row of that many tokens."""
    sizes = {dim.name: near(dim, 1 if dim.name == "batch" else length) for dim in signature.dims}
    inputs = example_inputs(signature, sizes, seed=seed)
    if judged.MASK in inputs:
        inputs[judged.MASK][:] = 1
    return [torch.from_numpy(inputs[spec.name]) for spec in signature.inputs]
