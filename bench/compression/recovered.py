"""Pruned *and* quantized models that were trained to answer as the original does.

``make recovered-80`` makes one; each step is kept in the cache, so that the second time nothing is
trained. Zeros come at one stroke, by SparseGPT, and then the model learns what it can do with the
weights that are left: from there it gets further in the same time than by a schedule that begins
with all weights. Last, it learns to do the same in int8.
"""

from __future__ import annotations

import json
import shutil
import sys
import time
from pathlib import Path
from typing import NamedTuple

from bench.compression.classifier import COLUMNS, HOME, classifier, hwcore, splits
from hwcore.artifacts import read_artifact

PATTERN = "1x4"
CACHED_SECONDS = 120.0
"""What comes from the cache takes less, and no training as little."""


class Recovery(NamedTuple):
    """How long each of the two steps learns."""

    sparse_steps: int
    int8_steps: int


RECOVERIES = {0.8: Recovery(2200, 200), 0.9: Recovery(2200, 200)}
LEARNING = (
    "-o", "batch_size=16", "-o", "labels=0.5", "-o", "evaluations=5", "-o", "patience=null",
    "-o", "freeze=[\"*.embeddings\"]",
)  # fmt: skip


def recovered(share: float) -> Path:
    """An int8 program with ``share`` of its encoder's weights zero, in blocks of 1×4."""
    model, recovery = classifier(), RECOVERIES[share]
    name = f"{share:.0%}".rstrip("%")
    pruned, sparse, small = (HOME / f"{stage}-{name}" for stage in ("pruned", "sparse", "int8"))
    data = ("--data", str(splits()[0]), *COLUMNS)
    learn = ("--recover", "--reference", str(model), *data, *LEARNING)
    began = time.monotonic()
    for folder, words in (
        (
            pruned,
            ("sparsify", str(model), "--plugin", "torch", "--capability", "sparsegpt", *data,
             "-o", f"pattern={PATTERN}", "-o", f"share={share}"),
        ),
        (
            sparse,
            ("sparsify", str(pruned), *learn, "-o", "learning_rate=6e-4",
             "-o", f"max_steps={recovery.sparse_steps}"),
        ),
        (
            small,
            ("quantize", str(sparse), *learn, "-o", "learning_rate=1e-4",
             "-o", f"max_steps={recovery.int8_steps}"),
        ),
    ):  # fmt: skip
        shutil.rmtree(folder, ignore_errors=True)  # a folder that is there would be refused
        hwcore(*words, "--out", str(folder))
    seconds = time.monotonic() - began
    if seconds > CACHED_SECONDS:
        _times(name).write_text(json.dumps({_digest(small): seconds}), encoding="utf-8")
    return small


def training_seconds(share: float) -> float | None:
    """How long `recovered` took when it was not in the cache; ``None`` where nobody measured."""
    name = f"{share:.0%}".rstrip("%")
    if not _times(name).exists():
        return None
    known: dict[str, float] = json.loads(_times(name).read_text("utf-8"))
    return known.get(_digest(HOME / f"int8-{name}"))


def _times(name: str) -> Path:
    return HOME / f"recovered-{name}.json"


def _digest(folder: Path) -> str:
    return read_artifact(folder).digest


if __name__ == "__main__":
    share = float(sys.argv[1])
    print(recovered(share))
    print(f"{training_seconds(share) or 0:.0f} s when it was trained")
