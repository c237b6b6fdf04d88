"""Which layers a list of regular expressions means."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence

from torch import nn

from hwcore.contract import UserError

CONVOLUTIONS = (nn.Conv1d, nn.Conv2d)
PREFIX = "model."
"""Of the flat module around the transformers model, whose own names people know."""


def linears(module: nn.Module) -> dict[str, nn.Linear]:
    """Every linear layer of a flat module by its name in the transformers model."""
    return {
        name.removeprefix(PREFIX): layer
        for name, layer in module.named_modules()
        if isinstance(layer, nn.Linear)
    }


def convolutions(module: nn.Module) -> list[str]:
    """Names of layers that are never quantized: leaving them in float32 is no mistake."""
    found = module.named_modules()
    return [name.removeprefix(PREFIX) for name, layer in found if isinstance(layer, CONVOLUTIONS)]


def matching(
    patterns: Iterable[str], names: Sequence[str], beside: Sequence[str] = ()
) -> frozenset[str]:
    """The names that any of the regular expressions matches in full.

    Raises `UserError` for one that matches nothing, which Neural Compressor would pass over;
    what it may match ``beside`` does not count, and is no error.
    """
    found: set[str] = set()
    for pattern in patterns:
        try:
            hits = [name for name in names if re.fullmatch(pattern, name)]
        except re.error as error:
            raise UserError(
                f"{pattern!r} is no regular expression: {error}",
                hint=r"A dot in a name is itself; write .* for anything.",
            ) from error
        if not hits and not any(re.fullmatch(pattern, name) for name in beside):
            near = difflib.get_close_matches(pattern, names, n=1, cutoff=0.3)
            meant = f"Did you mean {near[0]!r}? " if near else ""
            raise UserError(
                f"no layer of the model is called {pattern!r}",
                hint=f"{meant}Patterns are regular expressions of whole names.",
            )
        found.update(hits)
    return frozenset(found)


def replace(module: nn.Module, name: str, layer: nn.Module) -> None:
    """Put a layer in the place of another, by the name of `linears`."""
    parent, _, own = f"{PREFIX}{name}".rpartition(".")
    setattr(module.get_submodule(parent), own, layer)


def parameters(module: nn.Module) -> int:
    """Numbers in the weights of a module; shared ones are counted once."""
    return sum(weight.numel() for weight in module.parameters())
