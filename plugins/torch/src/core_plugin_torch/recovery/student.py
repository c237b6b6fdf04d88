"""The model in training and the one it learns from, under one roof."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, Self

import torch
from torch import Tensor, nn

from core_plugin_torch.recovery.distillation import layers_for
from core_plugin_torch.sparsity.layers import check_known, matches
from hwcore.contract import Arrays, Artifact, Integers, Signature, TensorSpec, UserError
from hwcore.contract.runner import Array
from hwcore.transformers import load_module

FORMAT = "transformers"
MADE_FROM = "Name the model that this one was made from: --reference."


class Answer(NamedTuple):
    """What a model gives for a batch: plain tensors, so that wrappers can gather them."""

    outputs: tuple[Tensor, ...]
    """As the signature has them, in its order."""
    hidden: tuple[Tensor, ...]
    """``[rows, tokens, width]`` of the embeddings and each layer; empty unless asked for."""


class Student(nn.Module):
    """A flat module with gradients: inputs by name, an `Answer` out.

    ``dropout`` says whether its dropout is on in training. Without, what it imitates is not
    blurred; little data is learnt by heart sooner.
    """

    _keys_to_ignore_on_save = None
    """Asked by Trainer, of what a checkpoint lacks."""

    def __init__(self, flat: nn.Module, *, dropout: bool = False) -> None:
        super().__init__()
        self.flat = flat
        self._dropout = dropout
        for parameter in flat.parameters():
            # A copy: what is loaded lies mapped in the user's file.
            parameter.data = parameter.data.clone()
            parameter.requires_grad_(parameter.is_floating_point())

    def train(self, mode: bool = True) -> Self:
        super().train(mode)
        if not self._dropout:
            self.flat.eval()
        return self

    def forward(self, *, hidden: bool, **inputs: Tensor) -> Answer:
        """Answer a batch; with ``hidden``, hidden states too."""
        return answer(self.flat, inputs, hidden=hidden)


def answer(flat: Any, inputs: dict[str, Tensor], *, hidden: bool) -> Answer:
    """What a flat module of `hwcore.transformers.load_module` gives, hidden states included."""
    given = flat.model(**inputs, output_hidden_states=hidden, return_dict=True)
    return Answer(
        outputs=tuple(given[name] for name in flat.outputs),
        hidden=tuple(given.hidden_states) if hidden else (),
    )


def predict(flat: Any, inputs: Arrays) -> dict[str, Array]:
    """Numpy in, numpy out: in evaluation mode and float32, on the device the weights are on."""
    device = next(flat.parameters()).device
    tensors = {name: torch.tensor(array, device=device) for name, array in inputs.items()}
    training = flat.training
    flat.eval()
    try:
        with torch.no_grad():
            given = answer(flat, tensors, hidden=False).outputs
    finally:
        flat.train(training)
    pairs = zip(flat.outputs, given, strict=True)
    return {name: tensor.float().cpu().numpy() for name, tensor in pairs}


def freeze(model: nn.Module, patterns: Sequence[str]) -> None:
    """Let modules learn nothing that shell patterns name, nor what lies in them.

    Raises `UserError` for a pattern that names no module with parameters.
    """
    known = {
        name: found
        for name, found in model.named_modules()
        if name and next(found.parameters(), None) is not None
    }
    for pattern in patterns:
        check_known(pattern, known)
    for name, found in known.items():
        if matches(name, patterns):
            found.requires_grad_(False)


def load_teacher(reference: Artifact, source: Artifact) -> nn.Module:
    """The original model, as a flat module without gradients.

    Raises `UserError` where the two do not answer alike, or it does not take what ``source`` does.
    """
    if reference.format != FORMAT:
        raise UserError(
            f"recovery distils from a {FORMAT} model, and the original is {reference.format}",
            hint=MADE_FROM,
        )
    its, own = (artifact.component().signature for artifact in (reference, source))
    if _shown(its.outputs) != _shown(own.outputs):
        raise UserError(
            f"{reference.root} gives {_shown(its.outputs)}, and {source.root} "
            f"{_shown(own.outputs)}: one cannot imitate the other",
            hint=MADE_FROM,
        )
    # It may have more inputs, as BERT has token types, which are made up where they are not given.
    names = {spec.name for spec in own.inputs}
    if _shown(spec for spec in its.inputs if spec.name in names) != _shown(own.inputs):
        raise UserError(
            f"{reference.root} takes {_shown(its.inputs)}, and {source.root} "
            f"{_shown(own.inputs)}: they cannot be given the same rows",
            hint=MADE_FROM,
        )
    bounds = _bounds(its)
    for name, most in _bounds(own).items():
        if bounds.get(name, most) < most:
            raise UserError(
                f"{reference.root} takes {name} up to {bounds[name]}, and {source.root} up to "
                f"{most}: they cannot be given the same rows",
                hint=MADE_FROM,
            )
    return load_module(reference)


@torch.no_grad()
def check_hidden(student: nn.Module, teacher: nn.Module, inputs: dict[str, Tensor]) -> None:
    """Raise `UserError` where two flat modules' hidden states cannot be held against each other.

    ``inputs`` are a batch, which both answer.
    """
    ours, theirs = (answer(flat, inputs, hidden=True).hidden for flat in (student, teacher))
    for state, layer in zip(ours, layers_for(len(ours), len(theirs)), strict=True):
        sizes, wanted = list(state.shape[1:]), list(theirs[layer].shape[1:])
        if sizes != wanted:
            raise UserError(
                f"hidden states of the model are {sizes}, and those of the original {wanted}: "
                "one cannot imitate the other",
                hint="Leave them free with hidden=0, or name the model that this one was made "
                "from: --reference.",
            )


def _shown(specs: Iterable[TensorSpec]) -> str:
    return ", ".join(f"{spec.name} [{', '.join(map(str, spec.shape))}]" for spec in specs)


def _bounds(signature: Signature) -> dict[str, int]:
    """The largest number of each input, and size of each dimension, that a model knows."""
    numbers = {
        spec.name: spec.fill.high - 1
        for spec in signature.inputs
        if isinstance(spec.fill, Integers)
    }
    return numbers | {dim.name: dim.max for dim in signature.dims if dim.max is not None}
