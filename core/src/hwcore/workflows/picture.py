"""The picture of the trade-off: quality against speed-up, with the Pareto front."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from hwcore.workflows.study import StudyFile, Trial

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.transforms import Bbox

PICTURE = "pareto.png"
INK, MUTED, FRONT, BEST, BAD = "#1f2933", "#7b8794", "#2563eb", "#15803d", "#b91c1c"
PLACES = [(0, 11), (0, -19), (0, 24), (0, -32), (0, 37), (0, -45), (0, 50), (0, -58)]
"""Where a label may stand, in points from its mark."""


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
    metric = trials[0].quality.metric if trials[0].quality else "quality"
    where = trials[0].timings[0].workload if trials[0].timings else ""
    axes.set_xlabel(f"speed-up over {trials[0].plan.name} ({where})")
    rows = trials[0].quality.rows if trials[0].quality else 0
    kind = "held-out" if study.data else "made-up"
    axes.set_ylabel(f"{metric} on {rows} {kind} rows")
    axes.set_title(f"{Path(str(study.source['model'])).name} on {study.device.name}", color=INK)
    axes.grid(color="#e4e7eb", linewidth=0.6)
    axes.margins(x=0.14, y=0.16)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    axes.legend(frameon=False, loc="best")
    figure.canvas.draw()  # fixes the layout, which label boxes are measured in
    _label(figure, axes, trials)
    temporary = path.with_name(f".{path.name}")
    figure.savefig(temporary, format="png")
    temporary.replace(path)


def _mark(axes: Axes, trial: Trial, study: StudyFile) -> None:
    quality = trial.quality
    if quality is None:
        return
    within = trial.baseline or quality.drop_bound <= study.goal.max_drop
    color = BEST if trial.id == study.recommended else FRONT if within else BAD
    marker = "*" if trial.id == study.recommended else "s" if trial.baseline else "o"
    speed = trial.speedups[0]
    # The bar reaches down to the worst quality that the rows do not rule out.
    below = max(quality.drop_bound - quality.drop, 0.0)
    axes.errorbar(
        speed.value, quality.value,
        xerr=[[max(speed.value - speed.low, 0)], [max(speed.high - speed.value, 0)]],
        yerr=[[0.0 if trial.baseline else below], [0.0]],
        fmt=marker, markersize=14 if marker == "*" else 7, color=color,
        ecolor=color, elinewidth=0.8, capsize=2, alpha=0.95, zorder=3,
    )  # fmt: skip


def _label(figure: Figure, axes: Axes, trials: list[Trial]) -> None:
    """Names beside the points, each in the first place around its point that is still free."""
    renderer = figure.canvas.get_renderer()  # type: ignore[attr-defined]
    taken: list[Bbox] = []
    for trial in sorted(trials, key=lambda t: -t.speedups[0].value):
        for place in PLACES:
            label = axes.annotate(
                trial.plan.name,
                (trial.speedups[0].value, _value(trial)),
                textcoords="offset points", xytext=place, ha="center", fontsize=8.5, color=INK,
            )  # fmt: skip
            box = label.get_window_extent(renderer)
            if not any(box.overlaps(other) for other in taken):
                break
            if place != PLACES[-1]:
                label.remove()
        taken.append(box)


def _value(trial: Trial) -> float:
    return trial.quality.value if trial.quality else 0.0
