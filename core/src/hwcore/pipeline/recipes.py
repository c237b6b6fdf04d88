"""Recipe files: reading them with messages that name the key, writing the one that repeats."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import yaml
from pydantic import BaseModel, ValidationError

from hwcore.artifacts.files import refuse_endless
from hwcore.contract import Recipe, Step, UserError

if TYPE_CHECKING:
    from hwcore.host import PluginRecord

MAX_RECIPE_BYTES = 1 << 20
_EXAMPLE = "A result's recipe.yaml shows how one looks."


class _Loader(yaml.SafeLoader):
    """YAML without aliases, by which a few lines can stand for billions."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
            raise yaml.MarkedYAMLError(
                problem="aliases have no place in a recipe", problem_mark=mark
            )
        return super().compose_node(parent, index)


def read_recipe(path: Path) -> Recipe:
    """Read a recipe. Raises `UserError` that names the file, the key and the nearest right one."""
    refuse_endless(path)
    try:
        if path.stat().st_size > MAX_RECIPE_BYTES:
            raise UserError(f"{path} is larger than 1 MiB, which no recipe is", hint=_EXAMPLE)
        content = yaml.load(path.read_text(encoding="utf-8"), _Loader)  # noqa: S506 - a SafeLoader
    except OSError as error:
        raise UserError(
            f"recipe {path} cannot be read: {error.strerror}",
            hint="Name a YAML file, or a recipe that a plugin brings.",
        ) from error
    except RecursionError as error:
        raise UserError(
            f"recipe {path} is nested more deeply than any recipe is", hint=_EXAMPLE
        ) from error
    except UnicodeDecodeError as error:
        byte = error.object[error.start]
        raise UserError(
            f"recipe {path} is not YAML: byte 0x{byte:02x} is not UTF-8",
            hint="Save the file as UTF-8.",
        ) from error
    except yaml.YAMLError as error:
        raise UserError(f"recipe {path} is not YAML: {_problem(error)}", hint=_EXAMPLE) from error
    try:
        return Recipe.model_validate(content)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = ".".join(str(part) for part in first["loc"]) or "the file"
        hint = None
        if first["type"] == "extra_forbidden":
            model: type[BaseModel] = Step if first["loc"][0] == "steps" else Recipe
            near = difflib.get_close_matches(str(first["loc"][-1]), model.model_fields, 1, 0.0)
            hint = f"Did you mean {near[0]!r}? Known keys: {', '.join(model.model_fields)}."
            raise UserError(f"recipe {path}: unknown key {key!r}", hint=hint) from None
        message = first["msg"].removeprefix("Value error, ")
        raise UserError(f"recipe {path}: {key}: {message}", hint=_EXAMPLE) from None


def _problem(error: yaml.YAMLError) -> str:
    """Line, column and what is wrong there: PyYAML's own text is many lines, with an excerpt."""
    if not isinstance(error, yaml.MarkedYAMLError) or error.problem_mark is None:
        return str(error).splitlines()[0]
    mark = error.problem_mark
    what = ", ".join(part for part in (error.context, error.problem) if part)
    return f"line {mark.line + 1}, column {mark.column + 1}: {what}"


def write_recipe(recipe: Recipe) -> str:
    """The recipe as YAML text, keys in reading order."""
    content = recipe.model_dump(mode="json", exclude_defaults=True)
    ordered = {"schema_version": recipe.schema_version, **content}
    return yaml.safe_dump(ordered, sort_keys=False, allow_unicode=True, width=100)


class BadRecipe(NamedTuple):
    """A recipe that a wheel ships and that cannot be used, and why."""

    name: str
    reason: str


def bundled_recipes(records: Sequence[PluginRecord]) -> tuple[list[Recipe], list[BadRecipe]]:
    """The recipes in the wheels of the plugins that may be used, in the plugins' order.

    One that cannot be read, or has the name of an earlier one, is its plugin's mistake and
    nobody else's: it comes second, with the reason.
    """
    found: dict[str, tuple[Recipe, str]] = {}
    bad: list[BadRecipe] = []
    for record in records:
        if record.manifest is None or record.folder is None or not record.usable:
            continue
        for name in record.manifest.recipes:
            try:
                recipe = read_recipe(record.folder / name)
            except UserError as error:
                bad.append(BadRecipe(f"{record.name}:{name}", error.message))
                continue
            if recipe.name in found:
                other = found[recipe.name][1]
                reason = f"{record.distribution} and {other} both bring a recipe of this name"
                bad.append(BadRecipe(recipe.name, reason))
                continue
            found[recipe.name] = (recipe, record.distribution)
    return [recipe for recipe, _ in found.values()], bad
