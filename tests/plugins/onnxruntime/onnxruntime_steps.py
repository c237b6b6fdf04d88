"""The plugin's hooks, called as the host calls them, and what comes out as artifacts."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

import core_plugin_onnxruntime
from core_plugin_onnxruntime import plugin
from hwcore.artifacts import seal
from hwcore.contract import (
    Array,
    Arrays,
    Artifact,
    Dataset,
    Draft,
    LineageStep,
    Runner,
    Signature,
    Target,
)
from hwcore.data import example_inputs
from hwcore.host.drafts import check_draft
from hwcore.host.manifest_file import read_manifest

PACKAGE = Path(core_plugin_onnxruntime.__file__).parent
MANIFEST, SCHEMAS = read_manifest(PACKAGE / "hwcore-plugin.toml")

SIZES = [(1, 1), (1, 7), (3, 16), (2, 33), (5, 62)]
"""Batch and sequence: unlike shapes. Masks of `example_inputs` pad all rows but the first."""


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
        raise AssertionError("no hook of this plugin scores")


class Steps:
    """Does steps, each in a new folder below ``root``; equal ones only once."""

    def __init__(self, root: Path, target: Target) -> None:
        self._root = root
        self._target = target
        self._made: dict[str, Artifact] = {}

    def do(
        self,
        capability: str,
        source: Artifact,
        *,
        data: Dataset | None = None,
        target: Target | None = None,
        ctx: RecordingContext | None = None,
        again: bool = False,
        **options: Any,
    ) -> Artifact:
        """The artifact that a capability makes of ``source``; made ``again`` if need be."""
        target = target or self._target
        key = json.dumps([capability, source.digest, target.fingerprint, options])
        if key in self._made and not again and ctx is None:
            return self._made[key]
        out = self._root / f"{len(list(self._root.iterdir())):03}-{capability}"
        out.mkdir()
        row = MANIFEST.capability(capability)
        given = {
            "source": source,
            "capability": capability,
            "options": options,
            "data": data,
            "target": target,
            "out": out,
            "ctx": ctx or RecordingContext(),
        }
        hook: Callable[..., Draft] = getattr(plugin, row.hook)
        draft = hook(**{name: given[name] for name in inspect.signature(hook).parameters})
        check_draft(draft, row, source, target)
        step = LineageStep(
            hook=row.hook, plugin="onnxruntime", version="0", capability=capability, options=options
        )
        self._made[key] = seal(out, draft, source, step)
        return self._made[key]

    def run(
        self,
        artifact: Artifact,
        *,
        target: Target | None = None,
        ctx: RecordingContext | None = None,
        **options: Any,
    ) -> Runner:
        return plugin.run(
            artifact=artifact,
            options=options,
            target=target or self._target,
            ctx=ctx or RecordingContext(),
        )


def torch_runner(source: Artifact) -> Callable[[Arrays], dict[str, Array]]:
    """What the model gives in torch: the truth."""
    import torch

    from hwcore.transformers import load_module

    module = load_module(source)
    names = [spec.name for spec in source.component().signature.outputs]

    def call(inputs: Arrays) -> dict[str, Array]:
        with torch.inference_mode():
            found = module(**{name: torch.from_numpy(array) for name, array in inputs.items()})
        return {name: array.numpy() for name, array in zip(names, found, strict=True)}

    return call


def inputs_of(
    signature: Signature, batch: int = 2, sequence: int = 16, seed: int = 0
) -> dict[str, Array]:
    wish = {"batch": batch, "sequence": sequence}
    return example_inputs(
        signature, {dim.name: wish[dim.name] for dim in signature.dims}, seed=seed
    )


def worst_error(
    actual: Callable[[Arrays], dict[str, Array]],
    expected: Callable[[Arrays], dict[str, Array]],
    signature: Signature,
) -> float:
    """The largest difference over `SIZES`."""
    worst = 0.0
    for seed, (batch, sequence) in enumerate(SIZES):
        inputs = inputs_of(signature, batch, sequence, seed)
        found, truth = actual(inputs), expected(inputs)
        assert list(found) == list(truth)
        for name, array in truth.items():
            assert found[name].shape == array.shape
            assert found[name].dtype == array.dtype
            worst = max(worst, float(np.abs(found[name] - array).max()))
    return worst


def cosine(one: Array, other: Array) -> float:
    a, b = one.astype(np.float64).ravel(), other.astype(np.float64).ravel()
    return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))
