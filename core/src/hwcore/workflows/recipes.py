"""Finding the recipe a user named."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from hwcore.contract import Recipe, UserError
from hwcore.host.text import nearest
from hwcore.pipeline import read_recipe


def find_recipe(name: str, bundled: Sequence[Recipe]) -> Recipe:
    """A bundled recipe by name, or the one in a file. Raises `UserError` with the nearest name."""
    for recipe in bundled:
        if recipe.name == name:
            return recipe
    path = Path(name).expanduser()
    if path.suffix in (".yaml", ".yml") or path.exists():
        return read_recipe(path)
    names = [recipe.name for recipe in bundled]
    near = nearest(name, names)
    hint = f"Did you mean {near!r}? " if near else ""
    raise UserError(
        f"there is no recipe {name!r}", hint=f"{hint}Bundled recipes: {', '.join(names) or 'none'}."
    )
