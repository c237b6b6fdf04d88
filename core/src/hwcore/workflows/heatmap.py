"""How much each layer's treatment changes the model, in levels for the eye; and as a picture."""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path

from hwcore.contract import Sensitivity

PICTURE = "sensitivity.png"
LEVELS = 8
DECADES = 4
"""Errors that are so many times a tenth of the largest have the lowest level."""
INK, MUTED = "#1f2933", "#7b8794"


def levels(errors: Iterable[float]) -> list[int]:
    """A level of 0 to `LEVELS` for each error, on a logarithmic scale below the largest.

    0 is kept for what changes nothing; 1 holds all that is `DECADES` powers of ten, or more,
    below the largest.
    """
    found = list(errors)
    most = max(found, default=0.0)
    return [_level(error, most) for error in found]


def _level(error: float, most: float) -> int:
    if error <= 0:
        return 0
    decades = math.log10(most) - math.log10(error)
    return max(1, LEVELS - math.floor(decades * LEVELS / DECADES))


def draw(found: Sensitivity, path: Path, *, title: str) -> None:
    """Draw a PNG: a row for each layer, a column for each treatment, and the share of time."""
    import numpy as np
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.colors import LogNorm
    from matplotlib.figure import Figure

    treatments, layers = found.treatments, found.layers
    errors = np.array([[layer.error.get(t, np.nan) for t in treatments] for layer in layers])
    most = float(np.nanmax(errors)) or 1.0
    figure = Figure(figsize=(10.5, 1.8 + 0.2 * len(layers)), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    heat, time = figure.subplots(1, 2, sharey=True, width_ratios=[4, 1])
    shown = heat.imshow(
        np.maximum(errors, most * 10.0**-DECADES),
        norm=LogNorm(most * 10.0**-DECADES, most), cmap="YlOrRd", aspect="auto",
    )  # fmt: skip
    heat.set_xticks(range(len(treatments)), treatments)
    heat.set_yticks(range(len(layers)), [layer.name for layer in layers], fontsize=7)
    for row, layer in enumerate(layers):
        for column, treatment in enumerate(treatments):
            if treatment in layer.loss:
                dark = errors[row, column] > most * 10 ** (-DECADES / 4)
                heat.text(
                    column, row, f"{layer.loss[treatment]:+.3f}", ha="center", va="center",
                    fontsize=6.5, color="white" if dark else INK,
                )  # fmt: skip
    time.barh(range(len(layers)), [100 * layer.time_share for layer in layers], color=MUTED)
    time.set_xlabel("% of a forward pass")
    time.tick_params(labelleft=False)
    for side in ("top", "right"):
        time.spines[side].set_visible(False)
    figure.colorbar(shown, ax=heat, label="change of the output, squared and relative", pad=0.01)
    figure.suptitle(
        f"{title}: loss of {found.metric} from {found.baseline:.3f}, one layer treated at a time, "
        f"on {found.rows} rows",
        fontsize=9, color=INK,
    )  # fmt: skip
    temporary = path.with_name(f".{path.name}")
    figure.savefig(temporary, format="png")
    temporary.replace(path)
