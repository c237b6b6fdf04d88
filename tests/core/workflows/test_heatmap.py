"""Levels for the eye, and the picture."""

from __future__ import annotations

from pathlib import Path

import matplotlib.image

from hwcore.contract import LayerSensitivity, Sensitivity
from hwcore.workflows.heatmap import draw, levels


def test_levels_are_half_decades_below_the_largest() -> None:
    assert levels([1.0, 0.9, 0.3, 0.1, 1e-4, 1e-9, 0.0]) == [8, 8, 7, 6, 1, 1, 0]
    assert levels([0.0, 0.0]) == [0, 0]
    assert levels([]) == []


def test_a_row_for_each_layer_is_drawn(tmp_path: Path) -> None:
    def found(count: int) -> Sensitivity:
        layers = [
            LayerSensitivity(
                name=f"encoder.layer.{n}", parameters=9, time_share=0.5 / count,
                loss={"int8": 0.01 * n}, error={"int8": 0.1**n} if n else {"int8": 0.0},
            )
            for n in range(count)
        ]  # fmt: skip
        return Sensitivity(metric="accuracy", baseline=0.9, rows=8, layers=tuple(layers))

    heights = []
    for count in (2, 12):
        path = tmp_path / f"{count}.png"
        draw(found(count), path, title="mine on a CPU")
        heights.append(matplotlib.image.imread(path).shape[0])
    assert heights[0] < heights[1]
    assert sorted(tmp_path.iterdir()) == [tmp_path / "12.png", tmp_path / "2.png"]
