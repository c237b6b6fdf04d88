"""Which layers a list of regular expressions means."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence
from typing import Any

from torch import nn

from hwcore.contract import UserError

PREFIX = "model."
"""Of the flat module around the transformers model, whose own names people know."""
INSIDE = r"(\..*)?"
"""After the name of a module: that itself, or whatever is in it."""


def linears(module: nn.Module) -> dict[str, nn.Linear]:
    """Every linear layer of a flat module by its name in the transformers model."""
    return _named(module, nn.Linear)


def convolutions(module: nn.Module) -> list[str]:
    """Names of the convolutions over images, which int8 and bfloat16 take as they do linear layers.

    Weights alone are stored in few bits for linear layers only.
    """
    return list(_named(module, nn.Conv2d))


def untouched(module: nn.Module) -> list[str]:
    """Names of the convolutions over tokens, which no row quantizes."""
    return list(_named(module, nn.Conv1d))


def _named(module: nn.Module, kind: type[nn.Module]) -> dict[str, Any]:
    found = module.named_modules()
    return {name.removeprefix(PREFIX): layer for name, layer in found if isinstance(layer, kind)}


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
            called = pattern.removesuffix(INSIDE)
            near = difflib.get_close_matches(called, names, n=3, cutoff=0.3)
            meant = f"Did you mean {' or '.join(map(repr, near))}? " if near else ""
            raise UserError(
                f"no layer of the model is called {called!r}",
                hint=f"{meant}Patterns are regular expressions of whole names.",
            )
        found.update(hits)
    return frozenset(found)


def find(module: nn.Module, name: str) -> nn.Linear:
    """A layer by the name of `linears`."""
    return module.get_submodule(f"{PREFIX}{name}")


def replace(module: nn.Module, name: str, layer: nn.Module) -> None:
    """Put a layer in the place of another, by the name of `linears`."""
    parent, _, own = f"{PREFIX}{name}".rpartition(".")
    setattr(module.get_submodule(parent), own, layer)


def parameters(module: nn.Module) -> int:
    """Numbers in the weights of a module; shared ones are counted once."""
    return sum(weight.numel() for weight in module.parameters())
