"""SNS: what each layer of a model costs and weighs, measured and not made up."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from itertools import pairwise

import numpy as np

from hwcore.contract import Array, Cancelled, Dataset, Sensitivity, Target, Treatment, UserError
from hwcore.host import local_cpu
from hwcore.transformers import read_source, read_tensors
from hwcore_conformance import bare
from hwcore_conformance.clause import Broken, Clauses, Measured, NotApplicable, Untestable
from hwcore_conformance.models import MODEL
from hwcore_conformance.sources import Source
from hwcore_conformance.subject import Subject

CLAUSES = Clauses()
HOOK = "sensitivity"
WEIGHTS = "model.safetensors"
NOTHING = 1e-9
"""An error, relative to the output's square: float32's own is smaller."""
STEADY = 0.01
"""How much the same error may differ, relatively: engines sum in an order of their own."""
SUM = 1.001
"""Of time shares: they are rounded."""
ZEROS: tuple[Treatment, ...] = ("zeros-50", "zeros-75", "zeros-90", "zeros-95")


@CLAUSES(
    "SNS-001",
    """The hook `sensitivity` MUST name layers as the model's checkpoint does, with as many
    parameters as they have there.""",
    scope="sensitivity",
    since="1.1",
    mend="""Take names from the model as transformers loads it, not from a graph that was made of
    it; count weights and biases.""",
)
def layers_are_the_models(subject: Subject) -> Measured:
    """Every architecture with rows of text: `NAME.weight` and `NAME.bias` in the files."""
    layers = 0
    for source, _, found in _answers(subject):
        stored = {name: array.size for name, array in read_tensors(source.artifact)}
        for layer in found.layers:
            weight = stored.get(f"{layer.name}.weight")
            if weight is None:
                raise Broken(f"{source.model.name}: the model has no layer {layer.name!r}")
            size = weight + stored.get(f"{layer.name}.bias", 0)
            if layer.parameters != size:
                raise Broken(
                    f"{source.model.name}: it gives {layer.name} {layer.parameters} parameters, "
                    f"and there are {size}"
                )
        layers += len(found.layers)
    return {"layers": layers}


@CLAUSES(
    "SNS-002",
    "The hook `sensitivity` MUST find no cost in a layer without weights, whatever is done to it.",
    scope="sensitivity",
    since="1.1",
    mend="""Judge what the whole model answers with the layer treated, not how far its weights
    have moved; and treat no other layer along with it.""",
)
def empty_layers_cost_nothing(subject: Subject) -> Measured:
    """The layer that it finds most costly in one model, in a copy whose weights there are zero."""
    source, data, found = next(_answers(subject))
    stored = {name for name, _ in read_tensors(source.artifact)}
    known = [layer for layer in found.layers if f"{layer.name}.weight" in stored]
    if not known:
        raise NotApplicable("it names no layer that the model has, see SNS-001")
    worst = max(known, key=lambda layer: sum(layer.error.values()))
    if sum(worst.error.values()) <= NOTHING:
        raise Broken(f"{source.model.name}: nothing that it does to any layer changes the answer")
    copy = _emptied(subject, source, worst.name)
    layers = _ask(subject, copy, data).layers
    empty = next((layer for layer in layers if layer.name == worst.name), None)
    if empty is None:
        return {"layer": worst.name}  # it says nothing of what is not there
    for treatment, error in empty.error.items():
        if error > NOTHING or empty.loss[treatment] != 0:
            raise Broken(
                f"{source.model.name}: all weights of {worst.name} are zero, and {treatment} there "
                f"costs {empty.loss[treatment]:.3g}, with an error of {error:.3g}"
            )
    return {"layer": worst.name}


@CLAUSES(
    "SNS-003",
    "The hook `sensitivity` MUST find larger errors where more weights become zero.",
    scope="sensitivity",
    since="1.1",
    mend="`zeros-90` takes the smallest 90 % of a layer's weights away: it does not keep them.",
)
def more_zeros_cost_more(subject: Subject) -> Measured:
    """The errors of all layers together, of one treatment after the other."""
    measured: Measured = {}
    for source, _, found in _answers(subject):
        tried = [treatment for treatment in ZEROS if treatment in found.treatments]
        totals = {t: sum(layer.error.get(t, 0.0) for layer in found.layers) for t in tried}
        for less, more in pairwise(tried):
            if totals[more] <= totals[less]:
                raise Broken(
                    f"{source.model.name}: {more} has an error of {totals[more]:.3g} over all "
                    f"layers, and {less} one of {totals[less]:.3g}"
                )
        measured[source.model.name] = totals
    return measured


@CLAUSES(
    "SNS-004",
    "The time shares of all layers MUST add up to the whole at most.",
    scope="sensitivity",
    since="1.1",
    mend="Divide each layer's time by that of the forward pass, not by the slowest layer's.",
)
def shares_are_of_the_whole(subject: Subject) -> Measured:
    """Every architecture with rows of text."""
    largest = 0.0
    for source, _, found in _answers(subject):
        total = sum(layer.time_share for layer in found.layers)
        largest = max(largest, total)
        if total > SUM:
            raise Broken(f"{source.model.name}: its layers take {total:.2f} of the time together")
    return {"largest": largest}


@CLAUSES(
    "SNS-005",
    "The hook `sensitivity` MUST find the same costs again.",
    scope="sensitivity",
    since="1.1",
    mend="Judge the same rows each time, and leave the model after each layer as it was.",
)
def costs_are_steady(subject: Subject) -> None:
    """One model, asked twice: losses, and errors to within 1 %. Time shares are left aside."""
    source, data, first = next(_answers(subject))
    second = {layer.name: layer for layer in _ask(subject, source, data).layers}
    for layer in first.layers:
        again = second.get(layer.name)
        if again is None:
            raise Broken(f"{source.model.name}: {layer.name} is there once, and then not")
        for treatment, error in layer.error.items():
            other = again.error[treatment]
            apart = abs(other - error) > STEADY * max(error, other) + NOTHING
            if apart or again.loss[treatment] != layer.loss[treatment]:
                raise Broken(
                    f"{source.model.name}: {treatment} of {layer.name} costs "
                    f"{layer.loss[treatment]:.3g} with an error of {error:.3g}, and then "
                    f"{again.loss[treatment]:.3g} with {other:.3g}"
                )


@CLAUSES(
    "SNS-006",
    "The hook `sensitivity` MUST raise Cancelled when it learns that it is cancelled.",
    scope="sensitivity",
    since="1.1",
    mend="Ask ctx.cancelled() before each pass over the rows, and raise hwcore.contract.Cancelled.",
)
def measuring_can_be_stopped(subject: Subject) -> Measured:
    """A plain call in which ctx.cancelled() is true from the start."""
    source, data, _ = next(_answers(subject))
    notes = bare.Notes(seed=subject.seed, data=data, source=source.artifact, cancelled=True)
    subject.beat(f"{HOOK} is cancelled on {source.model.name}")
    try:
        bare.hook(subject.name, HOOK)(
            source=source.artifact,
            options={},
            data=data,
            target=Target.of(local_cpu()),
            ctx=notes,
        )
    except Cancelled:
        return {"asked": notes.asked}
    except Exception as error:
        raise Broken(f"told that it is cancelled, it raises {type(error).__name__}") from None
    raise Broken("told that it is cancelled, it goes on")


def _answers(subject: Subject) -> Iterator[tuple[Source, Dataset, Sensitivity]]:
    """What it says of each model that it takes, asked once.

    Raises `Untestable` where it takes none, `NotApplicable` where the run is for none with rows.
    """
    reason, some = "", False
    for source in subject.candidates():
        data = subject.data(source)
        if data is None:
            continue
        try:
            found: Sensitivity = subject.kept(
                (HOOK, source.model.name), partial(_ask, subject, source, data)
            )
        except UserError as error:
            reason = f"it refuses every model: {error}"
            continue
        some = True
        yield source, data, found
    if reason and not some:
        raise Untestable(reason)
    if not some:
        raise NotApplicable("no model that was asked for has rows of text")


def _ask(subject: Subject, source: Source, data: Dataset) -> Sensitivity:
    """Raises what the plugin raises."""
    subject.beat(f"{HOOK} on {source.model.name}")
    return subject.host().sensitivity(
        subject.name,
        source=source.artifact,
        options={},
        data=data,
        target=Target.of(local_cpu()),
        seed=subject.seed,
    )


def _emptied(subject: Subject, source: Source, layer: str) -> Source:
    """A copy of a model, the weights of one layer zero; its bias is as it was."""
    from safetensors.numpy import load_file, save_file

    copy = subject.copy_of(source, "empty-layer")
    file = copy.artifact.path / MODEL / WEIGHTS
    weights: Mapping[str, Array] = load_file(file)
    name = f"{layer}.weight"
    save_file({**weights, name: np.zeros_like(weights[name])}, file, {"format": "pt"})
    into = copy.artifact.path / "emptied"
    return copy._replace(artifact=read_source(copy.artifact.path / MODEL, into=into))
