"""The plugin's hooks, called as the host calls them, and what comes out as artifacts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from core_plugin_openvino import plugin
from hwcore.artifacts import seal
from hwcore.contract import (
    Artifact,
    Dataset,
    Draft,
    LineageStep,
    Options,
    Runner,
    Target,
    WorkHook,
)

HOOKS: dict[str, WorkHook] = {
    "ir": "export",
    "ir-from-onnx": "export",
    "int8-ptq": "quantize",
    "blob": "compile",
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
        raise AssertionError("no hook of this plugin scores")


class Steps:
    """Runs steps, each in a new folder below ``root``; equal ones without options only once."""

    def __init__(self, root: Path, target: Target) -> None:
        self._root = root
        self._target = target
        self._made: dict[tuple[str, ...], Artifact] = {}

    def export(
        self, source: Artifact, capability: str = "ir", *, ctx: RecordingContext | None = None
    ) -> Artifact:
        return self._do(capability, source, None, "", ctx=ctx)

    def int8(
        self,
        source: Artifact,
        data: Dataset | None,
        options: Options | None = None,
        *,
        target: Target | None = None,
        ctx: RecordingContext | None = None,
    ) -> Artifact:
        digest = data.digest if data else ""
        return self._do("int8-ptq", source, options, digest, data=data, target=target, ctx=ctx)

    def blob(self, source: Artifact) -> Artifact:
        return self._do("blob", source, None, "")

    def run(
        self,
        artifact: Artifact,
        capability: str = "cpu",
        *,
        target: Target | None = None,
        ctx: RecordingContext | None = None,
        **options: Any,
    ) -> Runner:
        return plugin.run(
            artifact=artifact,
            capability=capability,
            options=options,
            target=target or self._target,
            ctx=ctx or RecordingContext(),
        )

    def _do(
        self,
        capability: str,
        source: Artifact,
        options: Options | None,
        data_digest: str,
        *,
        data: Dataset | None = None,
        target: Target | None = None,
        ctx: RecordingContext | None = None,
    ) -> Artifact:
        key = (capability, source.digest, data_digest)
        plain = options is None and target is None and ctx is None
        if plain and key in self._made:
            return self._made[key]
        out = self._root / f"{capability}-{len(list(self._root.iterdir()))}"
        out.mkdir()
        given = {
            "source": source,
            "capability": capability,
            "options": options or {},
            "data": data,
            "target": target or self._target,
            "out": out,
            "ctx": ctx or RecordingContext(),
        }
        hook: Callable[..., Draft] = getattr(plugin, HOOKS[capability])
        wanted = hook.__code__.co_varnames[: hook.__code__.co_argcount]
        draft = hook(**{name: given[name] for name in wanted})
        step = LineageStep(
            hook=HOOKS[capability], plugin="openvino", version="0", capability=capability
        )
        artifact = seal(out, draft, source, step)
        if plain:
            self._made[key] = artifact
        return artifact
