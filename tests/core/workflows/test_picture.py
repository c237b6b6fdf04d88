"""The picture: there when there is something to show."""

from __future__ import annotations

import struct
from pathlib import Path

import parts

from hwcore.workflows.picture import PICTURE, draw

BASE = parts.trial("torch-eager", speed=1.0, baseline=True)


def size(path: Path) -> tuple[int, int]:
    """Width and height of a PNG, from its header (PNG specification, 11.2.1)."""
    content = path.read_bytes()
    assert content[:8] == b"\x89PNG\r\n\x1a\n"
    assert content[12:16] == b"IHDR"
    assert content[-8:-4] == b"IEND"
    width, height = struct.unpack(">II", content[16:24])
    return width, height


def test_a_picture_of_a_study(tmp_path: Path) -> None:
    trials = (
        BASE,
        parts.trial("fast", speed=4.0, quality=parts.quality(0.89, bound=0.02)),
        parts.trial("best", speed=3.0, quality=parts.quality(0.9, bound=0.005)),
        parts.trial("broken", state="failed"),
        parts.trial("waiting"),
    )
    study = parts.study(*trials, recommended="id-best")
    draw(study, ("id-best", "id-fast"), tmp_path / PICTURE)
    width, height = size(tmp_path / PICTURE)
    assert width > height > 500
    assert [path.name for path in tmp_path.iterdir()] == [PICTURE]


def test_points_in_one_place(tmp_path: Path) -> None:
    crowd = [parts.trial(f"plan-{n}", speed=2.0) for n in range(12)]
    study = parts.study(BASE, *crowd)
    draw(study, ("id-torch-eager", "id-plan-0"), tmp_path / PICTURE)
    assert size(tmp_path / PICTURE)[0] > 500


def test_a_picture_replaces_the_last_one(tmp_path: Path) -> None:
    (tmp_path / PICTURE).write_bytes(b"old")
    draw(parts.study(BASE), ("id-torch-eager",), tmp_path / PICTURE)
    assert size(tmp_path / PICTURE)[0] > 500


def test_nothing_is_drawn_of_nothing(tmp_path: Path) -> None:
    draw(parts.study(), (), tmp_path / PICTURE)
    draw(parts.study(parts.trial("waiting", baseline=True)), (), tmp_path / PICTURE)
    assert list(tmp_path.iterdir()) == []
