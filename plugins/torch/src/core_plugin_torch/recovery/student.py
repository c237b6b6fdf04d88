"""The model in training and the one it learns from, under one roof."""

from __future__ import annotations

from typing import Any, NamedTuple, Self

import torch
from torch import Tensor, nn

from hwcore.contract import Arrays, Artifact, UserError
from hwcore.contract.runner import Array
from hwcore.transformers import load_module

FORMAT = "transformers"


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


def load_teacher(reference: Artifact, source: Artifact) -> nn.Module:
    """The original model, as a flat module without gradients.

    Raises `UserError` where the two do not answer alike.
    """
    if reference.format != FORMAT:
        raise UserError(
            f"recovery distils from a {FORMAT} model, and the original is {reference.format}",
            hint="Name the model that this one was made from: --reference.",
        )
    pairs = [
        [(spec.name, *map(str, spec.shape)) for spec in artifact.component().signature.outputs]
        for artifact in (reference, source)
    ]
    if pairs[0] != pairs[1]:
        raise UserError(
            f"{reference.root} gives {_shown(pairs[0])}, and {source.root} {_shown(pairs[1])}: "
            "one cannot imitate the other",
            hint="Name the model that this one was made from: --reference.",
        )
    return load_module(reference)


def _shown(outputs: list[tuple[str, ...]]) -> str:
    return ", ".join(f"{name} [{', '.join(shape)}]" for name, *shape in outputs)
