"""The models that a plugin is tried on, with transformers' own answers, and rows for them."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from hwcore.contract import Array, Artifact, ArtifactManifest, Dataset
from hwcore.data import read_dataset
from hwcore_conformance.clause import Untestable
from hwcore_conformance.models import (
    ANSWERS,
    DATA,
    LENGTHS,
    MODEL,
    MODELS,
    REAL,
    ROWS_ANSWERED,
    SIZES,
    SOURCE,
    Model,
)


class Case(NamedTuple):
    """Inputs, and what transformers answers."""

    inputs: dict[str, Array]
    outputs: dict[str, Array]


class Padded(NamedTuple):
    """A batch of padded rows, and what transformers answers to each alone and unpadded."""

    inputs: dict[str, Array]
    rows: tuple[dict[str, Array], ...]


class Source(NamedTuple):
    """A model as it comes from transformers, with its answers."""

    model: Model
    artifact: Artifact
    cases: tuple[Case, ...]
    padded: Padded | None
    rows: tuple[Case, ...]
    """Rows of data, which what loses accuracy is judged on; the cases, where there are none."""


class Sources:
    """Makes models and data once, when they are first asked for; gives copies of them."""

    def __init__(
        self,
        workspace: Path,
        models: Path,
        seed: int,
        beat: Callable[[str], None] = lambda what: None,
    ) -> None:
        """``models`` is where models of this seed are kept, ``workspace`` what copies go to.

        ``beat`` is told of each model that is made.
        """
        self._workspace = workspace
        self._models = models
        self._seed = seed
        self._beat = beat
        self._made: dict[str, Source] = {}

    def source(self, model: Model) -> Source:
        """One model. What a plugin does to its files is done to a copy."""
        if model.name not in self._made:
            self._made[model.name] = self.copy(model, model.name)
        return self._made[model.name]

    def copy(self, model: Model, name: str) -> Source:
        """A copy of one model of its own, in a folder of that name."""
        kept = self._models / model.name
        if not (kept / ANSWERS).exists():
            self._make([REAL] if model is REAL else MODELS)
        folder = self._workspace / name
        answers = shutil.ignore_patterns(ANSWERS)  # nothing that a plugin should come across
        shutil.copytree(kept, folder, dirs_exist_ok=True, ignore=answers)
        text = (folder / SOURCE).read_text("utf-8")
        manifest = ArtifactManifest.model_validate_json(text)
        home = str(folder / MODEL)
        artifact = Artifact(path=folder, manifest=manifest.model_copy(update={"location": home}))
        with np.load(kept / ANSWERS) as stored:
            cases = _cases(stored, len(SIZES), "")
            known = any(name.startswith("row0/") for name in stored)
            rows = _cases(stored, ROWS_ANSWERED, "row") if known else cases
            return Source(model, artifact, cases, _padded(stored), rows)

    def data(self, source: Source, which: int = 0) -> Dataset | None:
        """Made-up rows, one of two sets; ``None`` for images, and models that are decoded."""
        folder = source.artifact.path / DATA[which]
        return read_dataset(folder) if folder.exists() else None

    def _make(self, models: Sequence[Model]) -> None:
        missing = [m.name for m in models if not (self._models / m.name / ANSWERS).exists()]
        module = ("-m", "hwcore_conformance.making", str(self._models), str(self._seed))
        self._beat("the making of models")
        with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as errors:
            making = subprocess.Popen(
                [sys.executable, *module, *missing],
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
            assert making.stdout is not None  # noqa: S101 - a pipe was asked for
            with making:
                for name in making.stdout:
                    self._beat(f"the making of models, after {name.strip()}")
            errors.seek(0)
            said = errors.read().strip().splitlines()
        if making.returncode != 0:
            last = (said or ["it said nothing"])[-1]
            raise Untestable(
                f"the models cannot be made: {last.partition('UserError: ')[-1] or last}"
            )


Stored = Mapping[str, Array]


def _cases(stored: Stored, count: int, kind: str) -> tuple[Case, ...]:
    return tuple(
        Case(_named(stored, f"{kind}{number}/in/"), _named(stored, f"{kind}{number}/out/"))
        for number in range(count)
    )


def _padded(stored: Stored) -> Padded | None:
    inputs = _named(stored, "padded/in/")
    if not inputs:
        return None
    rows = tuple(_named(stored, f"padded/{row}/out/") for row in range(len(LENGTHS)))
    return Padded(inputs, rows)


def _named(stored: Stored, prefix: str) -> dict[str, Array]:
    return {name.removeprefix(prefix): stored[name] for name in stored if name.startswith(prefix)}
