"""Timing finished results, or plain models, against each other: interleaved, in own processes."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from hwcore.artifacts import Cache
from hwcore.contract import HardwareUnavailable, Target, TensorSpec, UserError, Value
from hwcore.host import LoadedModel, PluginHost, local_cpu
from hwcore.measure import Ratio, Timing, check_length, measure, workloads
from hwcore.pipeline import runner_for
from hwcore.workflows.output import run_step_of
from hwcore.workflows.reporter import Reporter, Silent
from hwcore.workflows.source import open_source


class BenchRow(Value):
    """One model's numbers. ``speedups`` are over the first model named."""

    model: str
    runs_with: str
    size_bytes: int
    load_seconds: float
    peak_rss_bytes: int
    timings: tuple[Timing, ...]
    speedups: tuple[Ratio, ...]


def bench(
    models: Sequence[str],
    host: PluginHost,
    cache: Cache,
    *,
    batch_sizes: tuple[int, ...] = (1,),
    length: int | None = None,
    rounds: int = 15,
    verify: bool = False,
    reporter: Reporter | None = None,
) -> list[BenchRow]:
    """Time models on made-up inputs of ``length`` tokens, or of the usual number.

    Raises `UserError` for bad input.
    """
    reporter = reporter or Silent()
    target = Target.of(local_cpu())
    with ExitStack() as held:
        names = _distinct(models)
        artifacts = [open_source(model, cache, held, verify=verify) for model in models]
        for artifact in artifacts:
            check_length(artifact.component().signature, length)
        work = workloads(
            artifacts[0].component().signature, None, batch_sizes=batch_sizes, length=length
        )
        loaded: dict[str, LoadedModel] = {}
        runs: dict[str, str] = {}
        for name, artifact in zip(names, artifacts, strict=True):
            if _inputs(artifact.component().signature.inputs) != _inputs(
                artifacts[0].component().signature.inputs
            ):
                raise UserError(
                    f"{name} takes other inputs than {names[0]}",
                    hint="Compare models of one kind: the same inputs have to suit all of them.",
                )
            step = run_step_of(Path(artifact.path)) or runner_for(artifact, target, host)
            if step is None:
                raise HardwareUnavailable(
                    f"no installed plugin can run {name} ({artifact.format}) on this machine",
                    hint="See `hwcore doctor`.",
                )
            with reporter.work(f"load {name}"):
                loaded[name] = held.enter_context(
                    host.run(
                        step.plugin,
                        artifact,
                        capability=step.capability,
                        options=step.options,
                        target=target,
                    )
                )
            runs[name] = f"{step.plugin}/{step.capability}"
        with reporter.work(f"measure {len(names)}, interleaved") as progress:
            found = measure(
                loaded,
                names[0],
                work,
                rounds=rounds,
                progress=lambda fraction: progress(fraction, ""),
            )
        return [
            BenchRow(
                model=name,
                runs_with=runs[name],
                size_bytes=artifact.size_bytes,
                load_seconds=loaded[name].load_seconds,
                peak_rss_bytes=loaded[name].peak_rss(),
                timings=found[name].timings,
                speedups=found[name].speedups,
            )
            for name, artifact in zip(names, artifacts, strict=True)
        ]


def _inputs(specs: Sequence[TensorSpec]) -> list[tuple[str, str]]:
    return [(spec.name, spec.dtype) for spec in specs]


def _distinct(models: Sequence[str]) -> list[str]:
    """A model named twice is measured twice: that shows the noise."""
    seen: dict[str, int] = {}
    names = []
    for model in models:
        seen[model] = seen.get(model, 0) + 1
        names.append(model if seen[model] == 1 else f"{model} ({seen[model]})")
    return names
