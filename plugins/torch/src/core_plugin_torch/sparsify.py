"""The rows that sparsify: load the model, prune it, write its checkpoint again."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from pydantic import JsonValue
from torch import Tensor, nn

from core_plugin_torch import calibration
from core_plugin_torch.progress import Beat, phase
from core_plugin_torch.rewrite import Rename, locate, rewrite
from core_plugin_torch.sparsity import importance, patterns, structured
from core_plugin_torch.sparsity import prune as pruning
from core_plugin_torch.sparsity.layers import blocks
from core_plugin_torch.sparsity.layerwise import listening
from core_plugin_torch.sparsity.methods import MethodName
from core_plugin_torch.sparsity.options import (
    DataOptions,
    MagnitudeOptions,
    StructuredDataOptions,
    StructuredOptions,
)
from core_plugin_torch.sparsity.statistics import Activations
from core_plugin_torch.sparsity.structure import Structure, structure_of
from core_plugin_torch.threads import threads
from hwcore.contract import Artifact, Context, Dataset, Draft, Sparsity, UserError
from hwcore.transformers import load_module

FORMAT = "transformers"
FACT = "sparsity"
"""Of each pruned tensor, by its name in the checkpoint: torch's name of the layer, pattern, share
of zeros, parameters."""
LOADED, PRUNED = 0.05, 0.85
"""Progress when the model is loaded, and when it is pruned."""
WORK = "the pruning"
"""What is said to be stopped."""


def magnitude(source: Artifact, options: MagnitudeOptions, out: Path, ctx: Context) -> Draft:
    """``magnitude``: the smallest weights, or blocks of weights, go."""
    method: MethodName = "magnitude-l1" if options.norm == "l1" else "magnitude-l2"
    return _zeros(source, _request(method, options), (), out, ctx)


def wanda(source: Artifact, options: DataOptions, data: Dataset, out: Path, ctx: Context) -> Draft:
    """``wanda``: what the calibration rows make little of goes."""
    rows = calibration.rows(source, data, options.rows)
    return _zeros(source, _request("wanda", options), rows, out, ctx)


def sparsegpt(
    source: Artifact, options: DataOptions, data: Dataset, out: Path, ctx: Context
) -> Draft:
    """``sparsegpt``: the same, and the weights that are left make up for those that go."""
    rows = calibration.rows(source, data, options.rows)
    return _zeros(source, _request("sparsegpt", options), rows, out, ctx)


def by_norms(source: Artifact, options: StructuredOptions, out: Path, ctx: Context) -> Draft:
    """``structured``: heads, channels, filters and layers, by the norms of their weights."""
    norm = importance.l1 if options.norm == "l1" else importance.l2
    shares = _shares(options)

    def decide(loaded: _Loaded, structure: Structure | None) -> structured.Change:
        return structured.take_out(
            loaded.model, structure, loaded.config, shares, norm=norm, exclude=options.exclude
        )

    return _smaller(source, shares, decide, out, ctx)


def by_data(
    source: Artifact, options: StructuredDataOptions, data: Dataset, out: Path, ctx: Context
) -> Draft:
    """``structured-data``: the same, by what they do to the calibration rows."""
    rows, shares = calibration.rows(source, data, options.rows), _shares(options)

    def decide(loaded: _Loaded, structure: Structure | None) -> structured.Change:
        known = None
        if structure is not None:
            beat = _beat(ctx, len(rows), "calibrating")
            known = _observe(loaded, structure, rows, options, beat)
        return structured.take_out(
            loaded.model, structure, loaded.config, shares, known=known, exclude=options.exclude
        )

    return _smaller(source, shares, decide, out, ctx)


@dataclass(frozen=True)
class _Loaded:
    """A model in memory."""

    flat: nn.Module
    """Takes the signature's inputs in order."""

    @property
    def model(self) -> nn.Module:
        """As transformers made it, whose layers' names are those of the options."""
        found: nn.Module = self.flat.model
        return found

    @property
    def config(self) -> dict[str, Any]:
        """With the defaults that ``config.json`` leaves out."""
        found: dict[str, Any] = self.model.config.to_dict()
        return found

    def forward(self, row: Sequence[Tensor]) -> object:
        """One calibration row, or several of one length."""
        return self.flat(*row)


def _beat(ctx: Context, total: int, message: str) -> Beat:
    """For what comes between loading and writing."""
    return Beat(ctx, total, message, begin=LOADED, end=PRUNED, work=WORK)


def _zeros(
    source: Artifact,
    request: pruning.Request,
    rows: Sequence[Sequence[Tensor]],
    out: Path,
    ctx: Context,
) -> Draft:
    """Put zeros into a model's weights and write it."""
    with threads(ctx.threads):
        loaded = _load(source, ctx)
        layers = pruning.chosen(loaded.model, request)
        places = locate(source, {f"{n}.weight": layer.weight for n, layer in layers.items()})
        total = pruning.beats(loaded.model, request, len(rows))
        pruning.prune(
            loaded.model,
            request,
            forward=loaded.forward,
            rows=rows,
            beat=_beat(ctx, total, "pruning"),
        )
        changes = {places[f"{n}.weight"]: layer.weight for n, layer in layers.items()}
        names = {places[f"{n}.weight"]: n for n in layers}
        return _write(source, out, changes, names, request.pattern, ctx)


def _smaller(
    source: Artifact,
    shares: structured.Shares,
    decide: Callable[[_Loaded, Structure | None], structured.Change],
    out: Path,
    ctx: Context,
) -> Draft:
    """Take parts out of a model and write it."""
    structure = None
    if shares.in_blocks:
        structure = structure_of(source.manifest.facts.get("model_type"))
    with threads(ctx.threads):
        loaded = _load(source, ctx)
        trunk = list(blocks(loaded.model))
        parameters = dict(loaded.model.named_parameters())
        change = decide(loaded, structure)
        # Where a block is in the checkpoint is told by any of its weights.
        marks = [f"{name}.{structure.outer}.weight" for name in trunk] if structure else []
        places = locate(source, {name: parameters[name] for name in {*change.tensors, *marks}})
        changes = {places[name]: tensor for name, tensor in change.tensors.items()}
        called = _renumbered(trunk, change.dropped)
        return _write(
            source,
            out,
            changes,
            {places[name]: called(name.rpartition(".")[0]) for name in change.tensors},
            None,
            ctx,
            rename=_renumbered([places[mark] for mark in marks], change.dropped),
            config=change.config,
        )


def _write(
    source: Artifact,
    out: Path,
    changes: Mapping[str, Tensor],
    layers: Mapping[str, str | None],
    pattern: patterns.Pattern | None,
    ctx: Context,
    *,
    rename: Rename = lambda name: name,
    config: Mapping[str, JsonValue] | None = None,
) -> Draft:
    """Write the checkpoint, and measure the zeros in what is written.

    ``layers`` are torch's names of the layers that are changed, by the name in the checkpoint.
    """
    earlier = cast(dict[str, dict[str, Any]], source.manifest.facts.get(FACT, {}))
    found = {new: fact for name, fact in earlier.items() if (new := rename(name)) is not None}
    called = {rename(name): layer for name, layer in layers.items()}

    def look(name: str, tensor: Tensor) -> None:
        found.pop(name, None)
        share = patterns.share_of_zeros(tensor)
        if tensor.dim() > 1 and share:
            found[name] = {
                "layer": called[name],
                "pattern": patterns.measured(pattern, tensor),
                "share": share,
                "parameters": tensor.numel(),
            }

    def step(fraction: float) -> None:
        phase(ctx, PRUNED + (1 - PRUNED) * fraction, "writing", work=WORK)

    written = rewrite(source, out, changes, rename=rename, config=config, step=step, look=look)
    parameters = cast(int, source.manifest.facts.get("parameters", 0))
    sparsity = trait(found)
    if sparsity is None and written.parameters >= parameters:
        raise UserError(
            "no weight is zero: the layers are too small for that share",
            hint="Choose a larger share, or smaller blocks.",
        )
    return Draft(
        format=FORMAT,
        traits=source.traits.model_copy(update={"sparsity": sparsity}),
        facts={**written.facts(), FACT: cast(JsonValue, dict(sorted(found.items())))},
    )


def trait(found: Mapping[str, Mapping[str, Any]]) -> Sparsity | None:
    """Of all pruned tensors together; ``None`` where there are no zeros."""
    total = sum(fact["parameters"] for fact in found.values())
    zeros = sum(fact["share"] * fact["parameters"] for fact in found.values())
    if not zeros:
        return None
    kinds = {fact["pattern"] for fact in found.values()}
    pattern = kinds.pop() if len(kinds) == 1 else patterns.UNSTRUCTURED
    return Sparsity(pattern=pattern, share=zeros / total)


def _renumbered(marks: Sequence[str], dropped: Sequence[int]) -> Rename:
    """Names in the checkpoint when blocks are gone; ``marks`` is a tensor of each, in order."""
    if not dropped:
        return lambda name: name
    parts = [mark.split(".") for mark in marks]
    places = range(len(marks))
    numbered = (
        at for at in range(len(parts[0])) if all(parts[p][at : at + 1] == [str(p)] for p in places)
    )
    depth = next(numbered, None)
    if depth is None:
        raise UserError(
            f"the layers of the checkpoint are not numbered: {marks[0]}",
            hint="Save the model again with save_pretrained().",
        )
    prefix = parts[0][:depth]
    left = [place for place in places if place not in dropped]

    def rename(name: str) -> str | None:
        words = name.split(".")
        if words[:depth] != prefix or len(words) <= depth or not words[depth].isdigit():
            return name
        place = int(words[depth])
        if place in dropped:
            return None
        return ".".join([*prefix, str(left.index(place)), *words[depth + 1 :]])

    return rename


def _observe(
    loaded: _Loaded,
    structure: Structure,
    rows: Sequence[Sequence[Tensor]],
    options: StructuredDataOptions,
    beat: Beat,
) -> structured.Known:
    """Run the rows through the dense model, and keep what is needed to tell its parts apart."""
    trunk = blocks(loaded.model)
    modules = dict(loaded.model.named_modules())
    names = [f"{n}.{part}" for n in trunk for part in (structure.attended, structure.outer)]
    layers = {name: modules[name] for name in names if name in modules}
    with (
        torch.no_grad(),
        listening(layers, Activations) as activations,
        structured.influences(trunk) as influence,
    ):
        for row in rows:
            loaded.forward(row)
            beat()
    closed = {n: a.apoz for n, a in activations.items() if n.endswith(f".{structure.outer}")}
    return structured.Known(
        norms={name: given.norms for name, given in activations.items()},
        closed=closed if options.importance == "apoz" else {},
        influence={name: found.mean for name, found in influence.items()},
    )


def _request(method: MethodName, options: MagnitudeOptions | DataOptions) -> pruning.Request:
    pattern = patterns.parse(options.pattern)
    return pruning.Request(
        method=method,
        pattern=pattern,
        share=patterns.share_of(pattern, options.share),
        distribution=options.distribution,
        spread=options.spread,
        include=options.include,
        exclude=options.exclude,
    )


def _shares(options: StructuredOptions | StructuredDataOptions) -> structured.Shares:
    return structured.Shares(
        heads=options.heads,
        channels=options.channels,
        filters=options.filters,
        filter_channels=options.filter_channels,
        layers=options.layers,
    )


def _load(source: Artifact, ctx: Context) -> _Loaded:
    phase(ctx, 0.0, "loading the model", work=WORK)
    loaded = _Loaded(load_module(source))
    ctx.progress(LOADED, "loaded")
    return loaded
