"""The hooks that make, change and run programs, called as the host calls them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import parts
import torch

from core_plugin_torch import plugin
from core_plugin_torch import program as programs
from core_plugin_torch.export import capture
from hwcore.artifacts import seal, write_artifact
from hwcore.artifacts.digest import file_entries
from hwcore.contract import (
    Array,
    Artifact,
    ArtifactManifest,
    Component,
    Dataset,
    Draft,
    LineageStep,
    Options,
    Runner,
    Signature,
    Target,
    Traits,
    WorkHook,
)
from hwcore.data import example_inputs

HOOKS: dict[str, WorkHook] = {
    "export": "export",
    "magnitude": "sparsify",
    "low-rank": "sparsify",
    "low-rank-data": "sparsify",
    "int8-static": "quantize",
    "int8-dynamic": "quantize",
    "cluster": "quantize",
    "aoti": "compile",
}


@dataclass
class RecordingContext:
    """A `hwcore.contract.Context` that keeps what it is told; ``stop_after`` cancels."""

    seed: int = 0
    threads: int = 2
    stop_after: int | None = None
    fractions: list[float] = field(default_factory=list)
    lines: list[tuple[str, str]] = field(default_factory=list)
    asked: int = 0

    def progress(self, fraction: float, message: str = "") -> None:
        self.fractions.append(fraction)

    def cancelled(self) -> bool:
        self.asked += 1
        return self.stop_after is not None and self.asked > self.stop_after

    def log(self, message: str, level: str = "info") -> None:
        self.lines.append((level, message))

    def score(self, predict: Any) -> float:
        raise AssertionError("no hook here scores")


class Steps:
    """Runs hooks into folders below ``root``; equal plain requests are made once."""

    def __init__(self, root: Path, target: Target) -> None:
        self.root = root
        self.target = target
        self._made: dict[tuple[str, ...], Artifact] = {}

    def __call__(
        self,
        capability: str,
        source: Artifact,
        options: Options | None = None,
        *,
        data: Dataset | None = None,
        target: Target | None = None,
        ctx: RecordingContext | None = None,
    ) -> Artifact:
        key = (capability, source.digest, data.digest if data else "")
        plain = options is None and target is None and ctx is None
        if plain and key in self._made:
            return self._made[key]
        out = self.root / f"{capability}-{len(list(self.root.iterdir()))}"
        out.mkdir()
        hook: Callable[..., Draft] = getattr(plugin, HOOKS[capability])
        given = {
            "source": source,
            "capability": capability,
            "options": options or {},
            "data": data,
            "target": target or self.target,
            "reference": source,
            "out": out,
            "ctx": ctx or RecordingContext(),
        }
        wanted = hook.__code__.co_varnames[: hook.__code__.co_argcount]
        draft = hook(**{name: given[name] for name in wanted})
        step = LineageStep(
            hook=HOOKS[capability], plugin="torch", version="0", capability=capability
        )
        artifact = seal(out, draft, source, step)
        if plain:
            self._made[key] = artifact
        return artifact

    def run(
        self,
        artifact: Artifact,
        capability: str = "exported",
        *,
        target: Target | None = None,
        **options: Any,
    ) -> Runner:
        return plugin.run(
            artifact=artifact,
            capability=capability,
            options=options,
            target=target or self.target,
            ctx=RecordingContext(),
        )


def program_of(module: torch.nn.Module, signature: Signature, folder: Path) -> Artifact:
    """A torch-export artifact of any module, without a transformers model behind it."""
    source = Artifact(
        path=folder,
        manifest=ArtifactManifest(
            format="transformers",
            task="feature-extraction",
            components={"model": Component(signature=signature)},
            files={},
        ),
    )
    folder.mkdir()
    draft = programs.write(capture(module.eval(), signature), source, Traits(), folder)
    return sealed(folder, draft)


def sealed(folder: Path, draft: Draft) -> Artifact:
    """An artifact of what a hook has written, without a source."""
    names = [path.name for path in folder.iterdir()]
    return write_artifact(
        folder,
        ArtifactManifest(
            format=draft.format,
            task="feature-extraction",
            traits=draft.traits,
            components=draft.components,
            files=file_entries(folder, names),
            facts=draft.facts,
        ),
    )


def inputs_of(
    signature: Signature, batch: int = 2, sequence: int = 16, seed: int = 0
) -> dict[str, Array]:
    """Made-up inputs of a size."""
    wish = {"batch": batch, "sequence": sequence}
    return example_inputs(
        signature, {dim.name: wish[dim.name] for dim in signature.dims}, seed=seed
    )


def relative(expected: Mapping[str, Array], actual: Mapping[str, Array]) -> float:
    """Root mean square of the error by that of what is expected, over all outputs."""
    error, size = (
        sum(float(np.square(array, dtype=np.float64).sum()) for array in arrays)
        for arrays in (
            [expected[name] - actual[name] for name in expected],
            list(expected.values()),
        )
    )
    return float(np.sqrt(error / size))


SIZES: Sequence[tuple[int, int]] = ((1, 1), (1, 7), (3, 16), (2, 33), (5, 62))
"""Batch and length: the least, odd ones, and longer than what was traced."""

vectors = parts.vector_signature
