"""Which plans an optimize tries: the baseline, and every recipe that fits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from hwcore.contract import (
    Artifact,
    Dataset,
    HardwareUnavailable,
    Plan,
    PlannedStep,
    Recipe,
    Step,
    Target,
    UserError,
)
from hwcore.host import PluginHost
from hwcore.pipeline import LeftOut, bind, bundled_recipes, runner_for
from hwcore.workflows.recipes import find_recipe
from hwcore.workflows.study import LeftOutRecipe


class Recipes(NamedTuple):
    """What there is to try, known before a model or data is read."""

    wanted: tuple[Recipe, ...]
    bundled: tuple[Recipe, ...]
    bad: tuple[LeftOutRecipe, ...]
    """Bundled ones that cannot be read."""
    named: bool
    """True when the user named those that are wanted."""


def find_recipes(names: Sequence[str], host: PluginHost) -> Recipes:
    """The recipes of these names or files, or all bundled ones. Raises `UserError`."""
    bundled, bad = bundled_recipes(host.records)
    return Recipes(
        wanted=tuple(find_recipe(name, bundled) for name in names) or tuple(bundled),
        bundled=tuple(bundled),
        bad=tuple(LeftOutRecipe(recipe=entry.name, reason=entry.reason) for entry in bad),
        named=bool(names),
    )


def make_plans(
    recipes: Recipes,
    *,
    source: Artifact,
    target: Target,
    data: Dataset | None,
    host: PluginHost,
    seed: int,
) -> tuple[list[Plan], tuple[LeftOutRecipe, ...]]:
    """The baseline's plan first, then one of every recipe that fits; and those that do not.

    Raises `HardwareUnavailable` when nothing runs the model as it is, `UserError` when no
    recipe fits, or one that the user named is wrong.
    """
    run = runner_for(source, target, host)
    if run is None:
        raise HardwareUnavailable(
            "no installed plugin can run the model as it is, so there is nothing to compare with",
            hint="pip install core-plugin-torch",
        )

    def bound(recipe: Recipe) -> Plan | LeftOut:
        return bind(recipe, source=source, target=target, data=data, host=host, seed=seed)

    baseline = _recipe_of(run, recipes.bundled)
    plans = [
        Plan(
            name=baseline.name,
            summary=baseline.summary,
            source=source.digest,
            target=target,
            work=(),
            run=run,
            seed=seed,
        )
    ]
    left_out = list(recipes.bad)
    for recipe in recipes.wanted:
        try:
            plan = bound(recipe)
        except UserError as error:
            if recipes.named:
                raise
            plan = LeftOut(recipe.name, error.message)  # a plugin's mistake: the others go on
        if isinstance(plan, LeftOut):
            left_out.append(LeftOutRecipe(recipe=plan.name, reason=plan.reason))
        elif not plan.work and plan.run == run:
            plans[0] = plan
        else:
            plans.append(plan)
    if len(plans) == 1 and recipes.named and not left_out:
        raise UserError(
            f"{plans[0].name} is the baseline, and there is nothing to compare with it",
            hint="Name another recipe with --recipe, or leave it out to try all.",
        )
    if len(plans) == 1:
        reasons = "; ".join(f"{entry.recipe}: {entry.reason}" for entry in left_out)
        raise UserError(
            f"no recipe fits this model here ({reasons or 'no plugin brings one'})",
            hint="Mend the recipe; `hwcore plugins list` shows what is installed and what it does."
            if recipes.named
            else "`hwcore doctor` shows what is installed, and what would help.",
        )
    return plans, tuple(left_out)


def _recipe_of(run: PlannedStep, bundled: Sequence[Recipe]) -> Recipe:
    """The bundled recipe that does nothing but run the model like this, tried or not."""
    steps = (Step(**run.model_dump()),)
    for recipe in bundled:
        if recipe.steps == steps:
            return recipe
    return Recipe(name=f"{run.plugin}-{run.capability}", steps=steps)
