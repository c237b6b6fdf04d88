"""The folder that models are kept in from one run to the next: of one seed, and of one suite."""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from hwcore.contract import UserError, Value
from hwcore.host import installed_version
from hwcore_conformance.text import clean

STAMP: Final = "models.json"
_LARGEST = 4096
_HERE = Path(__file__).parent
_MAKERS = ("making.py", "models.py")
"""What decides how models come out of a seed."""


class Stamp(Value):
    """What the models in a folder are of."""

    seed: int
    suite: str
    """Version of ``hwcore-conformance``."""
    making: str
    """Digest of the code that made them."""


def claim(folder: Path, seed: int) -> None:
    """Make sure that ``folder`` holds this seed's models and nothing else, or may come to.

    Raises `UserError`. Several runs of one seed may do so at once.
    """
    another = "Name another folder with --models."
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):  # it can be written to
            there = {path.name for path in folder.iterdir() if not path.name.startswith(".")}
    except (FileExistsError, NotADirectoryError) as error:
        raise UserError(f"{folder} is no folder", hint=another) from error
    except OSError as error:
        raise UserError(f"{folder} cannot be written: {error.strerror}", hint=another) from error
    stamp = folder / STAMP
    if STAMP not in there:
        if there:
            raise UserError(f"{folder} holds something that is no models of a run", hint=another)
        _write(stamp, _ours(seed))
        return
    _refuse_another(folder, _read(stamp), _ours(seed))


def _ours(seed: int) -> Stamp:
    digest = hashlib.sha256()
    for name in _MAKERS:
        digest.update((_HERE / name).read_bytes())
    version = installed_version("hwcore-conformance") or "unknown"
    return Stamp(seed=seed, suite=version, making=digest.hexdigest())


def _refuse_another(folder: Path, there: Stamp, ours: Stamp) -> None:
    if there.seed != ours.seed:
        raise UserError(
            f"{folder} holds models of the seed {there.seed}, and this run's is {ours.seed}",
            hint=f"Name another folder with --models, or --seed {there.seed}.",
        )
    if there != ours:
        raise UserError(
            f"{folder} holds models that hwcore-conformance {clean(there.suite)} made otherwise "
            f"than this one, {ours.suite}, does",
            hint="Name another folder with --models, or remove that one.",
        )


def _read(stamp: Path) -> Stamp:
    try:
        with stamp.open("rb") as file:
            return Stamp.model_validate_json(file.read(_LARGEST), strict=True)
    except (OSError, ValidationError) as error:
        raise UserError(
            f"{stamp} does not say what the models beside it are of",
            hint="Name another folder with --models, or remove that one.",
        ) from error


def _write(path: Path, stamp: Stamp) -> None:
    """Whole, or not at all: another run may be about to read it."""
    with tempfile.NamedTemporaryFile("w", dir=path.parent, prefix=".", delete=False) as file:
        file.write(stamp.model_dump_json(indent=1) + "\n")
    os.replace(file.name, path)  # noqa: PTH105 - its name is a string
