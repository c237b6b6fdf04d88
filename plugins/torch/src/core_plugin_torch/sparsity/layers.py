"""Which layers of a model are changed: those of its repeated blocks, or those that are named.

Names are those of ``module.named_modules()``, as ``bert.encoder.layer.0.output.dense``.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase

from torch import nn

from hwcore.contract import UserError

PRUNABLE = (nn.Linear, nn.Conv2d, nn.Embedding)
NEAR = 3
"""Names that are suggested for one that matches nothing."""


def blocks(model: nn.Module) -> dict[str, nn.Module]:
    """The repeated blocks of a transformer, by name and in order; empty where there are none.

    They are the members of the outermost `nn.ModuleList` with the most weights. Embeddings,
    poolers and heads lie outside.
    """
    lists = {
        name: found for name, found in model.named_modules() if isinstance(found, nn.ModuleList)
    }
    outermost = {
        name: found
        for name, found in lists.items()
        if not any(name.startswith(f"{other}.") for other in lists)
    }
    if not outermost:
        return {}
    name = max(outermost, key=lambda name: _weights(outermost[name]))
    return {f"{name}.{place}": block for place, block in enumerate(outermost[name])}


def select(
    model: nn.Module,
    include: Sequence[str] = (),
    exclude: Sequence[str] = (),
    *,
    kinds: tuple[type[nn.Module], ...] = PRUNABLE,
    what: str = "prune",
) -> dict[str, nn.Module]:
    """The layers to change, by name: linear ones and convolutions of the model's `blocks`.

    With ``include``, those that it names, wherever they are, embeddings and heads too; without
    the ones that ``exclude`` names. Both are shell patterns (``*.attention.*``) for the name of
    a layer, or of anything that it lies in (``bert.encoder.layer.0``). In a model without blocks
    all linear layers and convolutions are meant. ``kinds`` are the types that can be changed, and
    ``what`` is done to them, as the error says.

    Raises `UserError` for a pattern that matches nothing, and if nothing is left.
    """
    known = {name: found for name, found in model.named_modules() if isinstance(found, kinds)}
    for pattern in (*include, *exclude):
        check_known(pattern, known)
    inside = tuple(f"{name}." for name in blocks(model))
    chosen = {
        name: layer
        for name, layer in known.items()
        if (
            matches(name, include)
            if include
            else name.startswith(inside or "") and not isinstance(layer, nn.Embedding)
        )
        and not matches(name, exclude)
    }
    if not chosen:
        raise UserError(
            f"no layer is left to {what}",
            hint="Take patterns out of exclude, or name layers with include.",
        )
    return chosen


def matches(name: str, patterns: Iterable[str]) -> bool:
    """Whether a pattern fits the name, or that of something it lies in."""
    parts = name.split(".")
    ways = [".".join(parts[: end + 1]) for end in range(len(parts))]
    return any(fnmatchcase(way, pattern) for pattern in patterns for way in ways)


def check_known(pattern: str, known: Mapping[str, object] | Sequence[str]) -> None:
    """Raise `UserError` that suggests near names unless a pattern matches one of the names."""
    names = list(known)
    if any(matches(name, (pattern,)) for name in names):
        return
    parents = {name.rpartition(".")[0] for name in names} - {""}
    near = difflib.get_close_matches(pattern, sorted({*names, *parents}), n=NEAR, cutoff=0.5)
    shown = near or names[:NEAR]
    raise UserError(
        f"no layer is called {pattern!r}",
        hint=f"{'Near names' if near else 'There are'}: {', '.join(shown)}. "
        "Patterns such as *.attention.* match several.",
    )


def _weights(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())
