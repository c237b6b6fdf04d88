"""Tables for people: what the JSON says, without the numbers nobody reads."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from hwcore.artifacts import CacheEntry
    from hwcore.host import PluginRecord
    from hwcore.workflows.bench import BenchRow
    from hwcore.workflows.doctor import DoctorReport
    from hwcore.workflows.optimize import Outcome
    from hwcore.workflows.sensitivity import SensitivityFile
    from hwcore.workflows.study import Trial

STATES = {"found": "green", "loaded": "green", "blocked": "yellow"}
BLOCKS = "·▁▂▃▄▅▆▇█"
HEAT = ("dim", "dim", "blue", "cyan", "green", "yellow", "yellow", "red", "red")
"""Colours of the heights of `BLOCKS`."""
PIPE_WIDTH = 160
"""Columns where there is no terminal to ask: nothing is cut off in a log."""


def _console() -> Console:
    width = None if sys.stdout.isatty() else PIPE_WIDTH
    return Console(highlight=False, width=width)


def _table(*columns: str, numbers: Sequence[str] = ()) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, justify="right" if column in numbers else "left")
    return table


def show_study(outcome: Outcome, *, folder: Path) -> None:
    """The table of plans, fastest first, the verdict, and where everything is.

    ``folder`` is where the user finds picture and study.
    """
    study = outcome.study
    console = _console()
    measured = [t for t in study.trials if t.speedups and t.quality]
    failed = [t for t in study.trials if t.state == "failed"]
    if measured:
        first = measured[0]
        metric = first.quality.metric if first.quality else ""
        rows = first.quality.rows if first.quality else 0
        batches = [timing.batch for timing in first.timings]
        titles = [f"{metric}", "drop ≤", "ms", "p99", "speed-up"]
        titles += [f"rows/s b{batch}" for batch in batches]
        titles += ["disk MB", "RSS MB", "load s"]
        table = _table("", "plan", *titles, "", numbers=titles)
        for trial in sorted(measured, key=lambda t: -t.speedups[0].value):
            table.add_row(*_row(trial, outcome))
        console.print(table)
        kind = "held-out" if study.data else "made-up"
        console.print(
            f"[dim]{metric} on {rows} {kind} rows; drop ≤: one-sided 95 % bound; ms, p99: "
            f"{first.timings[0].workload}; {study.environment['threads']} threads on "
            f"{study.device.name}; measured {study.measured_at}[/]"
        )
    shaken = [trial.speedups[0] for trial in measured if not trial.speedups[0].steady]
    if shaken:
        worst = max(ratio.high / ratio.low for ratio in shaken)
        console.print(
            f"[yellow]not steady[/]: speed-ups changed up to {worst:.2g}-fold between rounds, so "
            "something else used this machine: measure again with --again when it is idle"
        )
    if study.tokenize_ms is not None:
        console.print(f"[dim]tokenizing a text takes {study.tokenize_ms:.2f} ms more[/]")
    for trial in (t for t in study.trials if t.mixed is not None):
        console.print(f"[cyan]mixed[/]    {trial.plan.name}: {trial.plan.summary}")
    for trial in failed:
        console.print(f"[red]failed[/]   {trial.plan.name}: {trial.error}")
    for entry in study.left_out:
        console.print(f"[yellow]left out[/] {entry.recipe}: {entry.reason}")
    console.print(f"\n[bold]{study.verdict}[/]")
    if outcome.out is not None:
        console.print(f'model    {outcome.out}   (in Python: hwcore.load("{outcome.out}"))')
    console.print(f"picture  {folder / outcome.picture.name}\nstudy    {folder / 'study.json'}")


def _row(trial: Trial, outcome: Outcome) -> list[str]:
    quality, latency, speed = trial.quality, trial.latency, trial.speedups[0]
    assert quality is not None and latency is not None  # noqa: S101, PT018 - measured
    best = trial.id == outcome.study.recommended
    over = not trial.baseline and quality.drop_bound > outcome.study.goal.max_drop
    note = "recommended" if best else "baseline" if trial.baseline else ""
    note = note or ("unchecked" if trial.unchecked else "over the tolerance" if over else "")
    cells = [
        "[green]★[/]" if best else "•" if trial.id in outcome.front else "",
        f"[bold]{trial.plan.name}[/]" if best else trial.plan.name,
        f"{quality.value:.4f}",
        "" if trial.baseline else f"{quality.drop_bound:.4f}",
        f"{latency.median_ms:.2f}",
        f"{latency.p99_ms:.2f}",
        str(speed),
        *(f"{timing.throughput:.0f}" for timing in trial.timings),
        f"{trial.size_bytes / 1e6:.0f}",
        f"{trial.peak_rss_bytes / 1e6:.0f}",
        f"{trial.load_seconds:.1f}",
        f"[dim]{note}[/]",
    ]
    return [f"[red]{cell}[/]" if over and cell else cell for cell in cells]


def show_bench(rows: Sequence[BenchRow]) -> None:
    """One row per model and workload."""
    numbers = ("ms", "p90", "p99", "rows/s", "speed-up", "disk MB", "RSS MB", "load s")
    table = _table("model", "runs with", "workload", *numbers, numbers=numbers)
    for row in rows:
        for timing, speed in zip(row.timings, row.speedups, strict=True):
            table.add_row(
                row.model,
                row.runs_with,
                timing.workload,
                f"{timing.median_ms:.3f}",
                f"{timing.p90_ms:.3f}",
                f"{timing.p99_ms:.3f}",
                f"{timing.throughput:.0f}",
                f"{speed.value:.2f}× [dim]({speed.low:.2f}-{speed.high:.2f})[/]",
                f"{row.size_bytes / 1e6:.0f}",
                f"{row.peak_rss_bytes / 1e6:.0f}",
                f"{row.load_seconds:.1f}",
            )
    _console().print(table)


def show_sensitivity(found: SensitivityFile, out: Path | None) -> None:
    """A row for each layer: its loss by treatment, and a block the taller the larger its error.

    The layers with the largest error of a treatment are marked, and named below.
    """
    from hwcore.workflows.heatmap import levels

    result, console = found.sensitivity, _console()
    treatments = result.treatments
    numbers = ("weights", "time", *treatments)
    table = _table("layer", *numbers, numbers=numbers)
    errors = [layer.error.get(t, 0.0) for layer in result.layers for t in treatments]
    heights = iter(levels(errors))
    worst = {t: max(result.layers, key=lambda layer: layer.error.get(t, 0.0)) for t in treatments}
    for layer in result.layers:
        cells = []
        for treatment in treatments:
            height = next(heights)
            loss = f"{layer.loss[treatment]:+.3f}" if treatment in layer.loss else ""
            style = f"bold {HEAT[height]} reverse" if layer is worst[treatment] else HEAT[height]
            cells.append(f"[{style}]{loss} {BLOCKS[height]}[/]")
        weight = f"{layer.parameters / 1e3:.0f} k"
        table.add_row(layer.name, weight, f"{layer.time_share:.1%}", *cells)
    console.print(table)
    console.print(
        f"[dim]loss of {result.metric}, {result.baseline:.4f} untouched, on {result.rows} rows, "
        "with one layer treated; blocks: change of the model's output, a step for each factor of "
        "three; time: share of a forward pass[/]"
    )
    for treatment, layer in worst.items():
        console.print(f"worst at {treatment}: {layer.name}, error {layer.error[treatment]:.2g}")
    if out is not None:
        console.print(f"picture  {out / 'sensitivity.png'}\nnumbers  {out / 'sensitivity.json'}")


def show_plugins(records: Sequence[PluginRecord]) -> None:
    """One row per plugin, and the reason under those that cannot be used."""
    console = _console()
    if not records:
        console.print(
            "no plugin is installed; try: "
            'pip install core-plugin-torch "core-plugin-openvino[build]"',
            markup=False,
        )
        return
    table = _table("plugin", "distribution", "version", "state", "hooks", "capabilities")
    for record in records:
        color = STATES.get(record.state, "red")
        table.add_row(
            record.name,
            record.distribution,
            record.version,
            f"[{color}]{record.state}[/]",
            ", ".join(record.hooks),
            ", ".join(row.id for row in record.capabilities),
        )
    console.print(table)
    for record in records:
        if record.reason:
            console.print(f"{record.name}: {record.reason}", markup=False)


def show_plugin(record: PluginRecord) -> None:
    """Everything a manifest says."""
    console = _console()

    def line(text: str, indent: int = 0) -> None:
        console.print(Padding(Text(_plain(text)), (0, 0, 0, indent), expand=False))

    def options(id: str) -> None:
        for name, schema in record.schemas.get(id, {}).get("properties", {}).items():
            line(f"-o {name}={_default(schema)}", 2)
            if "description" in schema:
                line(schema["description"], 6)

    line(f"{record.name}: {record.distribution} {record.version}, {record.state}")
    if record.reason:
        line(record.reason)
    if record.manifest is None:
        return
    manifest = record.manifest
    line(manifest.summary)
    line(f"vendor: {manifest.vendor}; contract {manifest.contract}")
    versions = record.library_versions()
    line("libraries: " + ", ".join(f"{n} {versions.get(n, '(none)')}" for n in manifest.libraries))
    line(f"telemetry: {manifest.telemetry}")
    for row in manifest.capabilities:
        takes = ", ".join(dict.fromkeys(pattern.format for pattern in row.inputs))
        gives = f" → {row.output.format}" if row.output else ""
        kind = "lossless" if row.lossless else "lossy"
        console.print()
        line(f"{row.hook} {row.id}: {row.summary}")
        line(f"{takes}{gives}; {kind}", 2)
        if row.data is not None:
            line(f"needs {row.data.rows} rows of the role {row.data.role}", 2)
        if row.extra is not None:
            line(f'needs pip install "{record.distribution}[{row.extra}]"', 2)
        for caveat in row.caveats:
            without = f" (without {' or '.join(caveat.lacks)})" if caveat.lacks else ""
            line(f"caveat{without}: {caveat.text}", 2)
        options(row.id)
    if manifest.sensitivity:
        console.print()
        line("sensitivity: what each layer of a model costs and weighs")
        options("sensitivity")


def _plain(text: str) -> str:
    """A docstring's paragraph as people read it: on one line, and code without its quotes."""
    return " ".join(text.replace("``", "").split())


def _default(schema: dict[str, Any]) -> str:
    from json import dumps

    return dumps(schema.get("default"))


def show_doctor(report: DoctorReport) -> None:
    """Machine, instruction sets, plugins, advice."""
    console = _console()
    console.print(
        f"hwcore {report.hwcore}, contract {report.contract}, Python {report.python}, "
        f"{report.system}"
    )
    for device in report.devices:
        memory = f", {device.memory_bytes / 2**30:.0f} GiB" if device.memory_bytes else ""
        cores = f", {device.cores} cores" if device.cores else ""
        console.print(f"\n[bold]{device.id}[/] {device.name}{cores}{memory}")
    table = _table("", "instruction set", "what it is good for")
    for feature in report.features:
        table.add_row("[green]✓[/]" if feature.here else "[dim]-[/]", feature.name, feature.meaning)
    console.print(table)
    console.print("\n[bold]plugins[/]")
    for plugin in report.plugins:
        color = STATES.get(plugin.state, "red")
        libraries = ", ".join(f"{name} {version}" for name, version in plugin.libraries.items())
        console.print(
            f"[{color}]{plugin.state:<12}[/] {plugin.name} {plugin.version} [dim]{libraries}[/]"
        )
    console.print("\n[bold]what would help[/]")
    for advice in report.advice or ("Nothing is missing.",):
        console.print(f"• {advice}", markup=False)


def show_cache(root: Path, entries: Sequence[CacheEntry]) -> None:
    """One row per entry, and the sum."""
    console = _console()
    table = _table("kind", "key", "MB", "unused days", "what", numbers=("MB", "unused days"))
    for entry in entries:
        days = max(0.0, time.time() - entry.used) / 86400
        table.add_row(
            entry.kind, entry.key[:12], f"{entry.size_bytes / 1e6:.1f}", f"{days:.1f}", entry.what
        )
    if entries:
        console.print(table)
    total = sum(entry.size_bytes for entry in entries)
    console.print(f"{root}: {len(entries)} entries, {total / 1e6:.1f} MB", markup=False)
