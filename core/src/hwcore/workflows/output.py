"""The folder a user is left with: the model, its tokenizer, and the recipe that repeats it."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from hwcore.artifacts import copy_artifact
from hwcore.artifacts.store import MANIFEST, fsync_folder, fsync_tree
from hwcore.contract import Artifact, Plan, PlannedStep, Recipe, Step, UserError
from hwcore.pipeline import read_recipe, write_recipe

RECIPE = "recipe.yaml"
COMPANIONS = (
    "config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "vocab.txt",
    "preprocessor_config.json",
)
"""Files of the source that a user of the result needs, whatever its format."""


@contextmanager
def output_folder(out: Path) -> Iterator[Path]:
    """A temporary folder that becomes ``out`` when the block ends well, and else is gone.

    A result that hwcore wrote there before is replaced, anything else is left alone.
    Raises `UserError` when ``out`` holds something else or cannot be made.
    """
    check_output(out)
    out = out.absolute()
    missing = [folder for folder in out.parents if not folder.exists()]
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.parent))
    except OSError as error:
        raise UserError(
            f"{out} cannot be made: {error.strerror}", hint="Name another folder with --out."
        ) from error
    try:
        temporary.chmod(0o755)
        yield temporary
        fsync_tree(temporary)
        _move(temporary, out)
        fsync_folder(out.parent)
    except OSError as error:
        raise UserError(
            f"{out} cannot be written: {error.strerror}", hint="Name another folder with --out."
        ) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        if not out.exists():
            with suppress(OSError):  # somebody else has put something there meanwhile
                for folder in missing:
                    folder.rmdir()


def _move(folder: Path, out: Path) -> None:
    """Put ``folder`` in the place of ``out``, which comes back where that fails."""
    if not out.exists():
        folder.rename(out)
        return
    grave = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.parent))
    old = out.rename(grave / "old")
    try:
        folder.rename(out)
    except OSError:
        old.rename(out)
        raise
    finally:
        shutil.rmtree(grave)


def check_output(out: Path) -> None:
    """Refuse early what `output_folder` would refuse after the work. Raises `UserError`."""
    out = out.absolute()
    if out.exists() and not out.is_dir():
        raise UserError(f"{out} is a file", hint="Name a folder with --out.")
    if out.exists() and any(out.iterdir()) and not (out / MANIFEST).exists():
        raise UserError(
            f"{out} holds something that hwcore did not write",
            hint="Name an empty or a new folder with --out.",
        )
    existing = next(folder for folder in out.parents if folder.exists())
    try:
        Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=existing)).rmdir()
    except OSError as error:
        raise UserError(
            f"{out} cannot be made: {error.strerror}", hint="Name another folder with --out."
        ) from error


def write_output(folder: Path, artifact: Artifact, source: Artifact, plan: Plan | None) -> Artifact:
    """Fill ``folder`` with the artifact, what belongs to it from the source, and the recipe."""
    copied = copy_artifact(artifact, folder)
    for name in COMPANIONS:
        original = source.root / name
        if original.is_file() and not (folder / name).exists():
            shutil.copyfile(original, folder / name)
    if plan is not None and plan.run is not None:
        (folder / RECIPE).write_text(write_recipe(recipe_of(plan)), encoding="utf-8")
    return copied


def add_file(folder: Path, file: Path) -> None:
    """Put a copy of a finished file beside the model."""
    if file.exists():
        shutil.copyfile(file, folder / file.name)


def recipe_of(plan: Plan) -> Recipe:
    """The recipe that leads to this plan again."""
    steps = [*plan.work, *((plan.run,) if plan.run else ())]
    return Recipe(
        name=plan.name,
        summary=plan.summary,
        steps=tuple(Step(**step.model_dump()) for step in steps),
    )


def run_step_of(folder: Path) -> PlannedStep | None:
    """How the result in ``folder`` is meant to be run; ``None`` where no recipe lies beside it."""
    path = folder / RECIPE
    if not path.exists():
        return None
    step = read_recipe(path).steps[-1]
    if step.capability is None:
        return None
    return PlannedStep(
        hook="run", plugin=step.plugin, capability=step.capability, options=step.options
    )
