"""The picture of the trade-off: quality against speed-up, with the Pareto front."""

from __future__ import annotations

from pathlib import Path

from hwcore.workflows.study import StudyFile, Trial

PICTURE = "pareto.png"
INK, MUTED, FRONT, BEST, BAD = "#1f2933", "#7b8794", "#2563eb", "#15803d", "#b91c1c"


def draw(study: StudyFile, front: tuple[str, ...], path: Path) -> None:
    """Draw the measured trials into a PNG. Nothing is drawn when none was measured."""
    trials = [t for t in study.trials if t.quality is not None and t.speedups]
    if not trials:
        return
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 5.4), dpi=150, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    steps = [study.trial(id) for id in front]
    axes.plot(
        [t.speedups[0].value for t in steps],
        [_value(t) for t in steps],
        color=FRONT, linewidth=1.4, alpha=0.6, zorder=1, label="Pareto front",
    )  # fmt: skip
    reference = _value(trials[0])
    limit = reference - study.goal.max_drop
    axes.axhline(limit, color=BAD, linestyle=":", linewidth=1.2, label="tolerance")
    for trial in trials:
        _mark(axes, trial, study)
    _label(axes, trials)
    metric = trials[0].quality.metric if trials[0].quality else "quality"
    where = trials[0].timings[0].workload if trials[0].timings else ""
    axes.set_xlabel(f"speed-up over {trials[0].plan.name} ({where})")
    rows = trials[0].quality.rows if trials[0].quality else 0
    axes.set_ylabel(f"{metric} on {rows} held-out rows")
    axes.set_title(f"{Path(str(study.source['model'])).name} on {study.device.name}", color=INK)
    axes.grid(color="#e4e7eb", linewidth=0.6)
    axes.margins(x=0.14, y=0.16)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    axes.legend(frameon=False, loc="best")
    temporary = path.with_name(f".{path.name}")
    figure.savefig(temporary, format="png")
    temporary.replace(path)


def _mark(axes: object, trial: Trial, study: StudyFile) -> None:
    quality = trial.quality
    if quality is None:
        return
    within = trial.baseline or quality.drop_bound <= study.goal.max_drop
    color = BEST if trial.id == study.recommended else FRONT if within else BAD
    marker = "*" if trial.id == study.recommended else "s" if trial.baseline else "o"
    speed = trial.speedups[0]
    # The bar reaches down to the worst quality that the rows do not rule out.
    below = max(quality.drop_bound - quality.drop, 0.0)
    axes.errorbar(  # type: ignore[attr-defined]
        speed.value, quality.value,
        xerr=[[max(speed.value - speed.low, 0)], [max(speed.high - speed.value, 0)]],
        yerr=[[0.0 if trial.baseline else below], [0.0]],
        fmt=marker, markersize=14 if marker == "*" else 7, color=color,
        ecolor=color, elinewidth=0.8, capsize=2, alpha=0.95, zorder=3,
    )  # fmt: skip


def _label(axes: object, trials: list[Trial]) -> None:
    """Names beside the points, alternately above and below where points are close."""
    ordered = sorted(trials, key=lambda t: t.speedups[0].value)
    for place, trial in enumerate(ordered):
        axes.annotate(  # type: ignore[attr-defined]
            trial.plan.name,
            (trial.speedups[0].value, _value(trial)),
            textcoords="offset points",
            xytext=(0, 11 if place % 2 == 0 else -19),
            ha="center", fontsize=8.5, color=INK,
        )  # fmt: skip


def _value(trial: Trial) -> float:
    return trial.quality.value if trial.quality else 0.0
