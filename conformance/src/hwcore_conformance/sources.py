"""The models that a plugin is tried on, with transformers' own answers, and rows for them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np

from hwcore.contract import Array, Artifact, Dataset
from hwcore.data import build_dataset
from hwcore.transformers import read_source
from hwcore_conformance.clause import Untestable
from hwcore_conformance.models import ANSWERS, MODEL, MODELS, SIZES, WORDS, Model

ROWS = 400
"""Rows of the made-up data."""


class Case(NamedTuple):
    """Inputs, and what transformers answers."""

    inputs: dict[str, Array]
    outputs: dict[str, Array]


class Source(NamedTuple):
    """A model as it comes from transformers, with its answers."""

    model: Model
    artifact: Artifact
    cases: tuple[Case, ...]


class Sources:
    """Makes models and data once, when they are first asked for."""

    def __init__(self, workspace: Path, models: Path, seed: int) -> None:
        """``models`` is where models of this seed are kept, ``workspace`` a folder to be made."""
        workspace.mkdir(parents=True)
        self._workspace = workspace
        self._models = models
        self._seed = seed
        self._made: dict[str, Source] = {}
        self._data: dict[str, Dataset] = {}

    def source(self, model: Model) -> Source:
        """One model, made now if it was not before."""
        if model.name not in self._made:
            folder = self._models / model.name
            if not (folder / ANSWERS).exists():
                self._make_models()
            artifact = read_source(folder / MODEL, into=self._workspace / f"source-{model.name}")
            self._made[model.name] = Source(model, artifact, _cases(folder / ANSWERS))
        return self._made[model.name]

    def data(self, source: Source) -> Dataset:
        """Made-up labelled rows for a model; the ``test`` role is not in what plugins see."""
        name = source.model.name
        if name not in self._data:
            file = self._write_rows(source)
            self._data[name] = build_dataset(
                file, source.artifact, out=self._workspace / f"data-{name}", seed=self._seed
            )
        return self._data[name]

    def _make_models(self) -> None:
        missing = [m.name for m in MODELS if not (self._models / m.name / ANSWERS).exists()]
        done = subprocess.run(
            [
                sys.executable,
                "-m",
                "hwcore_conformance.making",
                self._models,
                str(self._seed),
                *missing,
            ],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
            raise Untestable(f"the models cannot be made: {last}")

    def _write_rows(self, source: Source) -> Path:
        """Sentences of the made-up tokenizer's words, and labels where the model has some."""
        rng = np.random.default_rng(self._seed)
        labelled = source.artifact.task != "feature-extraction"
        lines = ["text,label" if labelled else "text"]
        for _ in range(ROWS):
            words = rng.integers(0, WORDS, size=int(rng.integers(3, 40)))
            text = " ".join(f"w{word}" for word in words)
            label = ("low", "middle", "high")[int(words.sum()) % 3]
            lines.append(f"{text},{label}" if labelled else text)
        file = self._workspace / f"{source.model.name}.csv"
        file.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return file


def _cases(file: Path) -> tuple[Case, ...]:
    with np.load(file) as stored:
        return tuple(
            Case(_named(stored, f"{case}/in/"), _named(stored, f"{case}/out/"))
            for case in range(len(SIZES))
        )


def _named(stored: np.lib.npyio.NpzFile, prefix: str) -> dict[str, Array]:
    return {name.removeprefix(prefix): stored[name] for name in stored if name.startswith(prefix)}
